// Both libraries on one set of parameters: our objects, SEAL's objects for the same secret key, and what each computes
// from the other's. SEAL runs in Node.js (tests/node/seal_vectors.mjs) and talks through files in its own format.
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "seal_bridge.h"
#include "seal_format.h"
#include "tests/support/ckks.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"
#include "thex/base/file.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/secret/secret.h"

namespace thex::testing::seal {

using support::Slots;

// What both sides start from. The secret key and all vectors are fixed, so that recorded vectors stay valid.
struct Party {
  ckks::ContextPtr context;
  ckks::Encoder encoder;
  ckks::Evaluator evaluator;
  ckks::secret::SecretKey key;
  support::Noise noise;

  explicit Party(const ckks::ContextSpec& spec)
      : context(ckks::Context::create(spec)),
        encoder(context),
        evaluator(context),
        key(ckks::secret::SecretKey::from_seed(context, ring::Seed{7})),
        noise{*context} {}

  ckks::Level top() const { return context->max_level(); }
  double scale() const { return context->scale(top()); }

  // Real values in [-1, 1), the same on every machine; in SEAL's order.
  Slots vector(std::uint64_t which) const {
    Slots slots;
    for (std::uint64_t i = 0; i < context->slots(); ++i) {
      const std::uint64_t mixed =
          (i * 0x9e3779b97f4a7c15u + which * 0xbf58476d1ce4e5b9u) ^ (i * i * 0x94d049bb133111ebu);
      slots.push_back(static_cast<double>(mixed >> 40) * 0x1p-23 - 1);
    }
    return slots;
  }
  Slots ours(const Slots& seal_order) const { return slots_from_seal(*context, seal_order); }
  Slots decrypt(const ckks::Ciphertext& ciphertext) const {
    return encoder.decode(ckks::secret::decrypt(key, ciphertext));
  }
  ckks::Plaintext encode(const Slots& slots) const {
    return encoder.encode(std::span<const support::Complex>(slots), top(), scale());
  }

  // Largest slot errors to expect, for values of at most 1. Encryption with the secret key is alike on both sides; with
  // the public key SEAL encrypts modulo the special prime too and divides by it.
  double encoding_bound() const { return noise.slot_bound(0.3, scale()); }
  double symmetric_bound() const { return 1.2 * noise.slot_bound(noise.fresh(), scale()); }
  double seal_public_bound() const { return noise.product_slot_bound(noise.rounding() + noise.fresh(), scale()); }
  double own_public_bound() const { return noise.product_slot_bound(noise.fresh_public(), scale()); }
  double switch_bound(ckks::Level level, double at_scale) const {
    return noise.product_slot_bound(noise.key_switch(level), at_scale);
  }
  // SEAL's digits are not centred: their mean of q/2 gives the slots next to zeta^1 and zeta^-1 a digit value of up to
  // q N / pi, which multiplies the key's errors there. Each digit's prime is below P.
  double seal_switch_bound(ckks::Level level, double at_scale) const {
    const double errors = std::sqrt(static_cast<double>(level.limbs()) * noise.n()) * ring::kSigma;
    return switch_bound(level, at_scale) + 5 * errors * noise.n() / 3.1416 / at_scale;
  }
  double rounding_bound(double at_scale) const { return noise.product_slot_bound(noise.rounding(), at_scale); }
};

class World : public Party {
 public:
  static constexpr int kSteps[] = {0, 1, 2, -4};  // of SEAL; 0 is conjugation

  // Empty when SEAL can be run, else the reason.
  static std::string missing() {
    if (!std::filesystem::exists(node() / "node_modules/node-seal")) {
      return "Microsoft SEAL's package is not installed (npm ci --prefix tests/node)";
    }
    if (std::system("command -v node > /dev/null 2>&1") != 0) return "Node.js is not installed";
    return {};
  }

  explicit World(const ckks::ContextSpec& spec) : Party(spec), x(vector(1)), y(vector(2)), p(vector(3)) {
    write_inputs();
    Process seal({"/usr/bin/env", "node", (node() / "seal_vectors.mjs").string(), folder_.path().string()});
    if (seal.line() != "ready") fail(seal);
    compute_with_seal_keys();
    seal.write(nlohmann::json(names_).dump() + "\n");
    if (seal.line() != "done") fail(seal);
    seal.close_input();
    if (seal.wait() != 0) fail(seal);
  }

  // A file of the folder: an object of SEAL's or ours.
  Bytes bytes(const std::string& name) const {
    const std::string text = read_file(folder_.path() / name, std::uint64_t{1} << 30);
    return Bytes(text.begin(), text.end());
  }
  ckks::Ciphertext ciphertext(const std::string& name) const { return from_seal(*context, parse_cipher(bytes(name))); }
  // What SEAL decrypts and decodes: real parts, in SEAL's order.
  Slots read_by_seal(const std::string& name) const {
    const Bytes raw = bytes(name + ".f64");
    std::vector<double> values(raw.size() / sizeof(double));
    std::memcpy(values.data(), raw.data(), values.size() * sizeof(double));
    return Slots(values.begin(), values.end());
  }

  const Slots x, y, p;  // SEAL's order
  ckks::EvaluationKeys own_keys, seal_keys;

 private:
  static std::filesystem::path node() { return std::filesystem::path(THEX_SOURCE_DIR) / "tests/node"; }

  [[noreturn]] static void fail(Process& seal) {
    seal.close_input();
    const int status = seal.wait();
    throw std::runtime_error("seal_vectors.mjs ended with " + std::to_string(status) + ": " + seal.errors);
  }

  template <typename T>
  void write(const std::string& name, const T& bytes) const {
    std::ofstream file(folder_.path() / name, std::ios::binary);
    const auto view = std::as_bytes(std::span(bytes));
    file.write(reinterpret_cast<const char*>(view.data()), static_cast<std::streamsize>(view.size()));
    if (!file.flush()) throw std::runtime_error("cannot write " + (folder_.path() / name).string());
  }
  void write_reals(const std::string& name, const Slots& slots) const {
    std::vector<double> reals;
    for (const auto& slot : slots) reals.push_back(slot.real());
    write(name, reals);
  }
  // A ciphertext for SEAL to decrypt.
  void offer(const std::string& name, const ckks::Ciphertext& ciphertext) {
    write(name, serialize(to_seal(*context, ciphertext)));
    names_.push_back(name);
  }

  void write_inputs() {
    ring::Prng prng(ring::Seed{8});
    write("manifest.json", nlohmann::json{{"scale", scale()}, {"steps", kSteps}, {"own_steps", kSteps}}.dump());
    write("parameters", serialize(to_seal(*context)));
    write("secret", serialize(to_seal(key)));
    write_reals("x.f64", x);
    write_reals("y.f64", y);
    write_reals("p.f64", p);
    offer("own_x", evaluator.expand(ckks::secret::encrypt(key, encode(ours(x)), prng)));
    const ckks::PublicKey public_key = ckks::secret::make_public_key(key, prng);
    offer("own_y", ckks::secret::encrypt(*context, public_key, encode(ours(y)), prng));
    write("own_p", serialize(to_seal(*context, encode(ours(p)))));
    own_keys.relinearization = ckks::secret::make_relinearization_key(key, top(), prng);
    for (const int steps : kSteps) {
      const std::uint64_t g = seal_element(*context, steps);
      own_keys.galois.emplace(g, ckks::secret::make_galois_key(key, g, top(), prng));
    }
    write("own_relin", serialize(relinearization_to_seal(*context, *own_keys.relinearization)));
    write("own_galois", serialize(galois_to_seal(*context, own_keys.galois)));
  }

  // SEAL's ciphertexts and keys through our evaluator. Rotations whose element is a power of 5 only: the others are
  // ours together with a conjugation, for which SEAL has made no key.
  void compute_with_seal_keys() {
    seal_keys.relinearization = relinearization_from_seal(*context, parse_keys(bytes("relin")));
    seal_keys.galois = galois_from_seal(*context, parse_keys(bytes("galois")));
    const ckks::Ciphertext a = ciphertext("x"), b = ciphertext("y"), product = evaluator.mul(a, b);
    const ckks::Ciphertext relinearized = evaluator.relinearize(product, seal_keys);
    const ckks::Ciphertext lower = evaluator.relinearize_rescale(product, seal_keys);
    offer("here_relinearized", relinearized);
    offer("here_rescaled", evaluator.rescale(relinearized));
    offer("here_at_once", lower);
    offer("here_conjugated", evaluator.conjugate(a, seal_keys));
    offer("here_lower_conjugated", evaluator.conjugate(lower, seal_keys));
    const ckks::Decomposition digits = evaluator.decompose(a);
    for (const int steps : kSteps) {
      const std::uint64_t g = seal_element(*context, steps);
      if (g % 4 != 1) continue;
      const int own_steps = steps_of(*context, g);
      offer("here_rotated_" + std::to_string(steps), evaluator.rotate(a, own_steps, seal_keys));
      offer("here_hoisted_" + std::to_string(steps), evaluator.rotate_hoisted(a, digits, own_steps, seal_keys));
      offer("here_lower_rotated_" + std::to_string(steps), evaluator.rotate(lower, own_steps, seal_keys));
    }
    // One ciphertext of each library.
    offer("here_with_both", evaluator.mul_plain(evaluator.add(ciphertext("own_x"), b), encode(ours(p))));
    for (const char* const name :
         {"x", "y", "relinearized", "lower", "with_own_product", "with_own_plain", "with_both"}) {
      names_.push_back(name);
    }
    for (const char* const prefix : {"rotated_", "lower_rotated_", "with_own_rotated_"}) {
      for (const int steps : kSteps) names_.push_back(prefix + std::to_string(steps));
    }
  }

  TemporaryFolder folder_;
  std::vector<std::string> names_;
};

}  // namespace thex::testing::seal

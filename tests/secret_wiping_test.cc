// After keys, encryptions and decryptions are gone, the memory of the process holds none of their secrets: not the pool
// that polynomials come from, not the heap, not the dead part of the stack. A forked process computes the same secrets
// from the same seeds and sends parts of them, disguised; this one then looks through all its writable memory.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/memory_search.h"
#include "thex/ckks/answer.h"
#include "thex/ckks/detail/residues.h"
#include "thex/ckks/encoder.h"
#include "thex/ckks/evaluator.h"
#include "thex/ckks/masked_refresh.h"
#include "thex/ckks/secret/secret.h"
#include "thex/ckks/secret/wipe_later.h"
#include "thex/ring/kernels.h"

namespace thex::ckks {
namespace {

using support::found_in_memory;
using support::kDisguise;
using support::mentions;
using support::Needle;
using support::Needles;

// The generators' seeds, likewise: unveiled only while they are used.
ring::Seed unveiled_seed(std::uint64_t number) {
  ring::Seed seed;
  for (std::size_t i = 0; i < support::kNeedleWords; ++i) {
    const std::uint64_t word = (number * 0x9e37'79b9'7f4a'7c15 + i * 0xd1b5'4a32'd192'ed03) ^ kDisguise;
    std::memcpy(seed.data() + 8 * i, &word, 8);
  }
  return seed;
}
template <typename F>
auto with_generator(std::uint64_t number, F&& f) {
  ring::Seed seed = unveiled_seed(number);
  ring::Prng prng(seed);
  sodium_memzero(seed.data(), seed.size());
  return f(prng);
}

// What the forked process writes down on the way; the other one passes an empty function.
using Note = std::function<void(const char* name, const void* bytes)>;

// Small secrets that a generator yields after `skipped` words, and what becomes of them modulo the first prime.
void note_small(const Note& note, const Context& context, const char* name, ring::Prng& prng, int skipped,
                bool gaussian) {
  if (!note) return;
  for (int i = 0; i < skipped; ++i) prng.next();
  std::vector<std::int8_t> values(context.n());
  (gaussian ? ring::sample_gaussian : ring::sample_ternary)(prng, values.data(), values.size());
  note(name, values.data());
  ring::Buffer row(context.n());
  residues_of_small(row.data(), values.data(), values.size(), context.prime(ckks::LimbIndex(0)));
  ring::kernels().ntt_forward(row.data(), context.ntt(ckks::LimbIndex(0)));
  note((std::string(name) + ", residues").c_str(), row.data() + 1);
}
void note_generator(const Note& note, std::uint64_t number) {
  if (!note) return;
  const ring::Seed seed = unveiled_seed(number);
  note("generator seed", seed.data());
  ring::Prng prng(seed);
  std::array<std::uint64_t, 140> words;
  prng.fill(words);
  note("generator output", words.data() + 100);
  note("generator output, later", words.data() + 132);
}
void note_poly(const Note& note, const char* name, const ring::Poly& poly) {
  if (!note) return;
  // The first word of a free block is a link of the pool's.
  note(name, poly.limb(0) + 1);
  note((std::string(name) + ", last limb").c_str(), poly.limb(poly.limbs() - 1) + 64);
}

struct World {
  ContextPtr context = Context::create({13, {38, 29, 29}, {40}, 1, 28});
  Encoder encoder{context};
  Evaluator evaluator{context};
};

using Checkpoint = std::function<void(const char* what)>;

// What a server hides an answer with; the generator is at its beginning.
void note_cover(const Note& note, const Context& context, const AnswerHiding& hiding, ring::Prng& prng) {
  if (!note) return;
  const std::size_t n = context.n(), stride = n / 2 / hiding.period;
  std::vector<std::int8_t> small(n);
  for (int k = 0; k < 3; ++k)  // a mask and two errors, which note_small() has noted
    (k == 0 ? ring::sample_ternary : ring::sample_gaussian)(prng, small.data(), n);
  ring::Buffer row(n);
  ring::sample_uniform(prng, row.data(), n, context.prime(ckks::LimbIndex(0)));
  note("uniform residues of an answer", row.data() + 1);
  const std::int64_t half = std::int64_t{1} << hiding.flooding_bits;
  for (std::size_t i = 0; i < n; i += stride)
    row.data()[i] =
        context.prime(ckks::LimbIndex(0))
            .from_signed(static_cast<std::int64_t>(prng.next() & (2 * static_cast<std::uint64_t>(half) - 1)) - half);
  ring::kernels().ntt_forward(row.data(), context.ntt(ckks::LimbIndex(0)));
  note("cover of an answer", row.data() + 1);
}

// The lives of a client and a server. `at` is called while some of the secrets are alive.
void scenario(const World& w, const Note& note, const Checkpoint& at) {
  const Context& context = *w.context;
  for (std::uint64_t number = 1; number <= 7; ++number) note_generator(note, number);
  const secret::SecretKey key =
      with_generator(1, [&](ring::Prng& prng) { return secret::SecretKey::generate(w.context, prng); });
  if (note) {
    note("secret key's seed", key.seed().data());
    ring::Prng prng(key.seed());
    note_small(note, context, "secret key", prng, 0, false);
  }
  note_poly(note, "secret key", key.poly());
  if (at) at("secret key");

  const PublicKey public_key = with_generator(2, [&](ring::Prng& prng) { return secret::make_public_key(key, prng); });
  const EvaluationKeys keys = with_generator(3, [&](ring::Prng& prng) {
    return secret::make_evaluation_keys(key, {{{1, 1}}, 2, -1}, prng);
  });
  for (const std::uint64_t number : {2, 3}) {  // both draw a public seed first
    with_generator(number, [&](ring::Prng& prng) { note_small(note, context, "error of a key", prng, 4, true); });
  }

  std::vector<double> slots(context.slots());
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i] = static_cast<double>(i % 89) / 89 - 0.3;
  Ciphertext fresh, by_public_key;
  {
    const Plaintext plain = w.encoder.encode_full(slots, 1, context.scale(1));
    note_poly(note, "encoded plaintext", plain.poly);
    if (at) at("encoded plaintext");
    fresh = w.evaluator.expand(with_generator(4, [&](ring::Prng& prng) { return secret::encrypt(key, plain, prng); }));
    by_public_key =
        with_generator(5, [&](ring::Prng& prng) { return secret::encrypt(context, public_key, plain, prng); });
  }
  with_generator(4, [&](ring::Prng& prng) { note_small(note, context, "error", prng, 4, true); });
  with_generator(5, [&](ring::Prng& prng) { note_small(note, context, "public key's mask", prng, 0, false); });
  {
    const MaskedValue masked =
        with_generator(6, [&](ring::Prng& prng) { return mask_for_refresh(context, fresh, 1, keys, prng); });
    note_poly(note, "refresh mask", masked.mask);
    if (at) at("refresh mask");
    const Plaintext decrypted = secret::decrypt(key, masked.masked);
    note_poly(note, "masked value", decrypted.poly);
    const Plaintext lifted = lift(context, decrypted, 1);
    ring::Prng prng;
    secret::encrypt(key, lifted, prng);
  }
  // The mask of the new second half is drawn first.
  with_generator(6, [&](ring::Prng& prng) { note_small(note, context, "refresh's ternary mask", prng, 0, false); });
  {
    const AnswerHiding hiding{.period = 16, .flooding_bits = 12};
    const int words = static_cast<int>(context.n());
    with_generator(7, [&](ring::Prng& prng) { note_small(note, context, "answer's mask", prng, 0, false); });
    for (const int drawn : {1, 2})
      with_generator(7,
                     [&](ring::Prng& prng) { note_small(note, context, "answer's error", prng, drawn * words, true); });
    with_generator(7, [&](ring::Prng& prng) { note_cover(note, context, hiding, prng); });
    const Ciphertext result = w.evaluator.drop_to(fresh, 0);
    with_generator(
        7, [&](ring::Prng& prng) { return hide_answer(w.evaluator, result, keys, hiding, ring::Seed{5}, 0, prng); });
  }
  for (const Ciphertext* ciphertext : {&fresh, &by_public_key}) {
    const Plaintext plain = secret::decrypt(key, w.evaluator.rotate(*ciphertext, 1, keys));
    note_poly(note, "decrypted plaintext", plain.poly);
    if (note) {
      ring::Poly coefficients = plain.poly;
      ring::kernels().ntt_inverse(coefficients.limb(0), context.ntt(ckks::LimbIndex(0)));
      note("decrypted coefficients", coefficients.limb(0) + 1);
    }
    if (at && ciphertext == &fresh) at("decrypted plaintext");
    std::vector<double> values = w.encoder.decode_real(plain);
    const secret::WipeLater wipe_values(values);
    if (note) note("decoded values", values.data() + 2);
    if (at && ciphertext == &fresh) at("decoded values");
  }
}

// Runs the scenario in a process of its own, whose memory ends with it.
Needles secrets_of_the_scenario() {
  int ends[2];
  if (::pipe(ends) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    const World world;
    scenario(
        world,
        [&](const char* name, const void* bytes) {
          const Needle needle = support::disguised(name, bytes);
          if (::write(ends[1], &needle, sizeof needle) != sizeof needle) ::_exit(1);
        },
        nullptr);
    ::_exit(0);
  }
  ::close(ends[1]);
  Needles needles;
  Needle needle;
  while (::read(ends[0], &needle, sizeof needle) == sizeof needle) needles.push_back(needle);
  ::close(ends[0]);
  int status = 1;
  ::waitpid(child, &status, 0);
  return status == 0 ? needles : Needles{};
}

TEST(Secrets, LeaveNoTraceInMemory) {
  const Needles needles = secrets_of_the_scenario();
  ASSERT_GT(needles.size(), 40u);
  const World world;
  EXPECT_EQ(found_in_memory(needles), std::vector<std::string>{}) << "before anything was computed";
  int seen = 0;
  scenario(world, nullptr, [&](const char* what) {
    // What is alive is found: the search works.
    EXPECT_TRUE(mentions(found_in_memory(needles), what)) << what;
    ++seen;
  });
  EXPECT_EQ(seen, 5);
  EXPECT_EQ(found_in_memory(needles), std::vector<std::string>{}) << "after all of it is gone";
}

}  // namespace
}  // namespace thex::ckks

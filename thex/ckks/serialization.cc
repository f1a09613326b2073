#include "thex/ckks/serialization.h"

#include <set>
#include <string>
#include <utility>

#include "thex/base/error.h"
#include "thex/ckks/detail/wire.h"

namespace thex::ckks {
namespace {

using namespace wire;  // NOLINT: this file is the formats

constexpr std::size_t kCiphertextFields = 4 + 8;  // level, scale

// read(reader, highest level) reads one switching key, or as much of it as the caller wants.
template <typename Read>
EvaluationKeys read_evaluation_keys(const Context& context, ByteView bytes, const KeyRequirements& required,
                                    const Read& read) {
  static constexpr const char* kWhat = "evaluation keys";
  Reader reader(context, bytes, kWhat);
  reader.expect_type(Type::evaluation_keys);
  const std::size_t most = evaluation_keys_bytes(context, required);
  if (bytes.size() > most) {
    refuse(kWhat, std::to_string(bytes.size()) + " bytes; the required keys take at most " + std::to_string(most));
  }
  const std::map<std::uint64_t, Level> wanted = galois_levels(context, required);
  const std::uint64_t relinearization = reader.number(4), count = reader.number(4);
  if (relinearization > 1 || count > wanted.size()) {
    refuse(kWhat, std::to_string(relinearization) + " relinearisation keys and " + std::to_string(count) +
                      " Galois keys; expected at most 1 and " + std::to_string(wanted.size()));
  }
  EvaluationKeys keys;
  // Encryptions of zero that are taken from several keys count as several only if their uniform halves differ.
  std::set<ring::Seed> seeds;
  const auto read_key = [&](Level level) {
    SwitchingKey key = read(reader, level);
    if (!seeds.insert(key.seed).second) refuse(kWhat, "two keys of one seed: make new keys");
    return key;
  };
  if (relinearization == 1) {
    if (required.relinearization_level < 0) refuse(kWhat, "a relinearisation key, which is not required");
    keys.relinearization = read_key(required.relinearization_level);
  }
  std::uint64_t previous = 0;
  for (std::uint64_t k = 0; k < count; ++k) {
    const std::uint64_t element = reader.number(8);
    if (element <= previous) refuse(kWhat, "Galois elements are not in ascending order");
    previous = element;
    const auto found = wanted.find(element);
    if (found == wanted.end())
      refuse(kWhat, "a key for Galois element " + std::to_string(element) + ", which is not required");
    keys.galois.emplace(element, read_key(found->second));
  }
  reader.expect_left(0);
  return keys;
}

}  // namespace

std::size_t ciphertext_bytes(const Context& context, Level level, bool seeded) {
  context.check_level("serialize", level);
  const std::size_t poly = poly_bytes(context, level, false);
  return kHeaderBytes + kCiphertextFields + (seeded ? kSeedBytes + poly : 2 * poly);
}

std::size_t evaluation_keys_bytes(const Context& context, const KeyRequirements& required) {
  std::size_t sum = kHeaderBytes + 8;
  if (required.relinearization_level >= 0) {
    context.check_level("serialize", required.relinearization_level);
    sum += key_body_bytes(context, required.relinearization_level);
  }
  for (const auto& [element, level] : galois_levels(context, required)) sum += 8 + key_body_bytes(context, level);
  return sum;
}

Bytes serialize(const Context& context, const Ciphertext& ciphertext) {
  if (ciphertext.parts.size() != 2) {
    throw Error(ErrorCode::crypto, "serialize: a ciphertext of " + std::to_string(ciphertext.parts.size()) +
                                       " parts; expected 2 (relinearise first)");
  }
  const Level level = ciphertext.level;
  Writer writer(context, Type::ciphertext, ciphertext_bytes(context, level, false) - kHeaderBytes);
  writer.level(level);
  writer.scale(ciphertext.scale);
  for (const ring::Poly& part : ciphertext.parts) writer.poly(context, part, level, level.limbs());
  return std::move(writer).finish();
}

Bytes serialize(const Context& context, const SeededCiphertext& ciphertext) {
  const Level level = ciphertext.level;
  Writer writer(context, Type::seeded_ciphertext, ciphertext_bytes(context, level, true) - kHeaderBytes);
  writer.level(level);
  writer.scale(ciphertext.scale);
  writer.seed(ciphertext.seed);
  writer.poly(context, ciphertext.c0, level, level.limbs());
  return std::move(writer).finish();
}

Bytes serialize(const Context& context, const SwitchingKey& key) {
  context.check_level("serialize", key.level);
  Writer writer(context, Type::switching_key, key_body_bytes(context, key.level));
  writer.key(context, key);
  return std::move(writer).finish();
}

Bytes serialize(const Context& context, const EvaluationKeys& keys) {
  std::size_t payload = 8;
  if (keys.relinearization) {
    context.check_level("serialize", keys.relinearization->level);
    payload += key_body_bytes(context, keys.relinearization->level);
  }
  for (const auto& [element, key] : keys.galois) {
    context.check_level("serialize", key.level);
    payload += 8 + key_body_bytes(context, key.level);
  }
  Writer writer(context, Type::evaluation_keys, payload);
  writer.number(keys.relinearization ? 1 : 0, 4);
  writer.number(keys.galois.size(), 4);
  if (keys.relinearization) writer.key(context, *keys.relinearization);
  for (const auto& [element, key] : keys.galois) {
    writer.number(element, 8);
    writer.key(context, key);
  }
  return std::move(writer).finish();
}

Bytes serialize(const Context& context, const PublicKey& key) {
  const Level level = context.max_level();
  Writer writer(context, Type::public_key, kSeedBytes + poly_bytes(context, level, false));
  writer.seed(key.seed);
  writer.poly(context, key.b, level, level.limbs());
  return std::move(writer).finish();
}

Ciphertext parse_ciphertext(const Context& context, ByteView bytes) {
  Reader reader(context, bytes, "ciphertext");
  const bool seeded = reader.type() == Type::seeded_ciphertext;
  if (!seeded) reader.expect_type(Type::ciphertext);
  Ciphertext result;
  result.level = reader.level(context.max_level());
  result.scale = reader.scale();
  const std::size_t poly = poly_bytes(context, result.level, false);
  reader.expect_left(seeded ? kSeedBytes + poly : 2 * poly);
  if (seeded) {
    const ring::Seed seed = reader.seed();
    result.parts.push_back(reader.poly(result.level, false));
    result.parts.push_back(expand_uniform(context, seed, result.level));
  } else {
    for (int p = 0; p < 2; ++p) result.parts.push_back(reader.poly(result.level, false));
  }
  return result;
}

SwitchingKey parse_switching_key(const Context& context, ByteView bytes) {
  Reader reader(context, bytes, "switching key");
  reader.expect_type(Type::switching_key);
  SwitchingKey key = reader.key(context.max_level());
  reader.expect_left(0);
  return key;
}

EvaluationKeys parse_evaluation_keys(const Context& context, ByteView bytes, const KeyRequirements& required) {
  return read_evaluation_keys(context, bytes, required, [](Reader& reader, Level level) { return reader.key(level); });
}

void check_evaluation_keys(const Context& context, ByteView bytes, const KeyRequirements& required) {
  read_evaluation_keys(context, bytes, required,
                       [](Reader& reader, Level level) { return reader.key_parts(level, [](const ring::Poly&) {}); });
}

PublicKey parse_public_key(const Context& context, ByteView bytes) {
  Reader reader(context, bytes, "public key");
  reader.expect_type(Type::public_key);
  const Level level = context.max_level();
  reader.expect_left(kSeedBytes + poly_bytes(context, level, false));
  PublicKey key;
  key.seed = reader.seed();
  key.b = reader.poly(level, false);
  key.a = expand_uniform(context, key.seed, level);
  return key;
}

}  // namespace thex::ckks

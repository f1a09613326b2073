#include "thex/ring/random.h"

#include <sodium.h>

#include <algorithm>
#include <bit>
#include <string>

#include "thex/base/error.h"

namespace thex::ring {
namespace {

static_assert(std::endian::native == std::endian::little, "stream words are read in place as little-endian");

constexpr std::uint64_t kBlockWords = 8;                      // of 64 bytes
constexpr std::uint64_t kMaxBlocks = std::uint64_t{1} << 32;  // the RFC's block counter has 32 bits

void initialise_sodium() {
  static const int status = sodium_init();
  if (status < 0) throw Error(ErrorCode::internal, "libsodium cannot be initialised (no source of randomness?)");
}

// Blocks [block, block + words / 8) of the stream; words is a multiple of 8.
void expand(const Seed& key, std::uint64_t label, std::uint64_t block, std::uint64_t* dst, std::size_t words) {
  if (block + words / kBlockWords > kMaxBlocks) {
    throw Error(ErrorCode::crypto,
                "a random stream of more than 2^38 bytes was asked for (label " + std::to_string(label) + ")");
  }
  std::array<unsigned char, crypto_stream_chacha20_ietf_NONCEBYTES> nonce{};
  for (int i = 0; i < 8; ++i) nonce[i] = static_cast<unsigned char>(label >> (8 * i));
  std::fill_n(dst, words, std::uint64_t{0});
  auto* bytes = reinterpret_cast<unsigned char*>(dst);
  crypto_stream_chacha20_ietf_xor_ic(bytes, bytes, words * sizeof(std::uint64_t), nonce.data(),
                                     static_cast<std::uint32_t>(block), key.data());
}

// kCumulative[k] = round(2^63 * P(|x| <= k)) for the Gaussian with sigma = 3.19 on |x| <= 19.
constexpr std::array<std::uint64_t, 19> kCumulative = {
    0x1001f9a1ec7ba510, 0x2e7cf3efaf0e59ba, 0x48ca7e86de8b31ad, 0x5d5d5178dff22aaa, 0x6bf35599da11a00c,
    0x7552dc9227511d03, 0x7ac882071c274269, 0x7daa659817315142, 0x7f0b811685835688, 0x7fa4a9fe2aabdb41,
    0x7fe0e10947cea31f, 0x7ff656414e3bd558, 0x7ffd449266e17fbc, 0x7fff4c09d21a42bc, 0x7fffd5e35bced535,
    0x7ffff70b93c9358b, 0x7ffffe4629c89c16, 0x7fffffb3dcca371b, 0x7ffffff55d8cb619};

}  // namespace

Seed random_seed() {
  initialise_sodium();
  Seed seed;
  randombytes_buf(seed.data(), seed.size());
  return seed;
}

Prng::Prng(const Seed& seed, std::uint64_t label) : key_(seed), label_(label) { initialise_sodium(); }

// Straight into the state: a seed returned by value would leave a copy on the stack.
Prng::Prng() : label_(0) {
  initialise_sodium();
  randombytes_buf(key_.data(), key_.size());
}

Prng::~Prng() {
  sodium_memzero(key_.data(), key_.size());
  sodium_memzero(buffer_.data(), sizeof buffer_);
}

void Prng::refill() {
  expand(key_, label_, block_, buffer_.data(), buffer_.size());
  block_ += buffer_.size() / kBlockWords;
  position_ = 0;
}

std::uint64_t Prng::next() {
  if (position_ == buffer_.size()) refill();
  return buffer_[position_++];
}

void Prng::fill(std::span<std::uint64_t> words) {
  const auto from_buffer = [&] {
    const std::size_t count = std::min(words.size(), buffer_.size() - position_);
    std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(position_), count, words.begin());
    position_ += count;
    words = words.subspan(count);
  };
  from_buffer();
  // Whole blocks go straight to the destination; the tail comes out of the buffer again.
  const std::size_t whole = words.size() / kBlockWords * kBlockWords;
  if (whole != 0) {
    expand(key_, label_, block_, words.data(), whole);
    block_ += whole / kBlockWords;
    words = words.subspan(whole);
  }
  if (!words.empty()) {
    refill();
    from_buffer();
  }
}

void sample_uniform(Prng& prng, std::uint64_t* dst, std::size_t n, const Modulus& q) {
  const std::uint64_t mask = (std::uint64_t{1} << q.bits()) - 1;
  for (std::size_t done = 0; done < n;) {
    // As many words as residues are missing, so that no word is taken beyond the last accepted one.
    prng.fill({dst + done, n - done});
    for (std::size_t i = done; i < n; ++i) {
      const std::uint64_t candidate = dst[i] & mask;
      dst[done] = candidate;
      done += candidate < q.value();
    }
  }
}

void sample_ternary(Prng& prng, std::int8_t* dst, std::size_t n) {
  std::array<std::uint64_t, 512> words;
  while (n != 0) {
    const std::size_t count = std::min(n, words.size());
    prng.fill({words.data(), count});
    // floor(3 w / 2^64): each value has probability 1/3 within 2^-64.
    for (std::size_t i = 0; i < count; ++i)
      dst[i] = static_cast<std::int8_t>(static_cast<int>(mul_high(words[i], 3)) - 1);
    dst += count;
    n -= count;
  }
  sodium_memzero(words.data(), sizeof words);
}

void sample_gaussian(Prng& prng, std::int8_t* dst, std::size_t n) {
  std::array<std::uint64_t, 512> words;
  while (n != 0) {
    const std::size_t count = std::min(n, words.size());
    prng.fill({words.data(), count});
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t u = words[i] >> 1, sign = words[i] & 1;
      std::uint64_t magnitude = 0;
      // u >= c as the borrow of (c - 1) - u; both are below 2^63.
      for (const std::uint64_t c : kCumulative) magnitude += (c - 1 - u) >> 63;
      dst[i] = static_cast<std::int8_t>((magnitude ^ (0 - sign)) + sign);
    }
    dst += count;
    n -= count;
  }
  sodium_memzero(words.data(), sizeof words);
}

}  // namespace thex::ring

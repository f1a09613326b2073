// A reader and a writer of Microsoft SEAL's binary format, sharing no code with SEAL: plain objects (compression
// "none") of version 4.
//
// An object is a header of 16 bytes (magic 0xA15E, header size, major and minor version, compression, two reserved
// bytes, length with the header as u64) and its members, all little-endian. Arrays of residues are objects themselves.
// CKKS polynomials are in the NTT domain in bit-reversed order, limb after limb, residues as u64 below their prime. The
// last prime of the parameters is the special one; keys have limbs modulo all primes, ciphertexts never modulo the
// special one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace thex::testing::seal {

using Bytes = std::vector<std::uint8_t>;
// BLAKE2b of the parameters at a level, by which every object names what it belongs to.
using ParmsId = std::array<std::uint64_t, 4>;

struct Parameters {
  std::uint64_t degree = 0;
  std::vector<std::uint64_t> primes;
};

// A plaintext; a secret key has the same form and all limbs.
struct Plain {
  ParmsId parms_id{};
  double scale = 1;
  std::vector<std::uint64_t> residues;  // limbs * degree
};

// A ciphertext; also one digit of a key, with two parts (b, a) and scale 1.
struct Cipher {
  ParmsId parms_id{};
  std::uint64_t parts = 0, degree = 0, limbs = 0;
  double scale = 1;
  std::vector<std::uint64_t> residues;  // parts * limbs * degree

  const std::uint64_t* limb(std::size_t part, std::size_t i) const {
    return residues.data() + (part * limbs + i) * degree;
  }
  std::uint64_t* limb(std::size_t part, std::size_t i) { return residues.data() + (part * limbs + i) * degree; }
};

// Relinearisation keys: `size` 1, s^2 at index 0. Galois keys: `size` N, element g at index (g - 1) / 2.
struct Keys {
  ParmsId parms_id{};
  std::size_t size = 0;
  std::map<std::size_t, std::vector<Cipher>> keys;  // index -> one entry for each digit (each chain prime)
};

// The identifier of the first `limbs` primes: all of them for keys, one less at the top level, and so on.
ParmsId parms_id(const Parameters& parameters, std::size_t limbs);

// Throw std::runtime_error on anything that does not have exactly this form.
Parameters parse_parameters(const Bytes& bytes);
Plain parse_plain(const Bytes& bytes);
Cipher parse_cipher(const Bytes& bytes);
Keys parse_keys(const Bytes& bytes);

Bytes serialize(const Parameters& parameters);
Bytes serialize(const Plain& plain);
Bytes serialize(const Cipher& cipher);
Bytes serialize(const Keys& keys);

}  // namespace thex::testing::seal

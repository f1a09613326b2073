#include "seal_format.h"

#include <sodium.h>

#include <cstring>
#include <stdexcept>
#include <string>

namespace thex::testing::seal {
namespace {

constexpr std::uint16_t kMagic = 0xA15E;
constexpr std::uint8_t kHeaderSize = 16, kMajor = 4, kMinor = 1, kCkks = 2;

void expect(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error("SEAL format: " + what);
}

class Reader {
 public:
  explicit Reader(const Bytes& bytes) : bytes_(bytes) {}

  template <typename T>
  T get() {
    T value;
    get_bytes(&value, sizeof value);
    return value;
  }

  void get_bytes(void* to, std::size_t count) {
    expect(count <= bytes_.size() - at_, "truncated");
    std::memcpy(to, bytes_.data() + at_, count);
    at_ += count;
  }

  // A header; returns where the object ends.
  std::size_t open() {
    const std::size_t begin = at_;
    expect(get<std::uint16_t>() == kMagic, "wrong magic number");
    expect(get<std::uint8_t>() == kHeaderSize, "wrong header size");
    expect(get<std::uint8_t>() == kMajor, "not version 4");
    get<std::uint8_t>();
    expect(get<std::uint8_t>() == 0, "the object is compressed");
    get<std::uint16_t>();
    const auto size = get<std::uint64_t>();
    expect(size >= kHeaderSize && size <= bytes_.size() - begin, "an object of " + std::to_string(size) + " bytes");
    return begin + size;
  }

  void close(std::size_t end) const { expect(at_ == end, "an object does not end where its header says"); }
  bool done() const { return at_ == bytes_.size(); }

  ParmsId parms_id() { return get<ParmsId>(); }

  std::vector<std::uint64_t> words() {
    const std::size_t end = open();
    const auto count = get<std::uint64_t>();
    expect(count == (end - at_) / 8, "an array of " + std::to_string(count) + " words");
    std::vector<std::uint64_t> result(count);
    get_bytes(result.data(), count * 8);
    close(end);
    return result;
  }

  Cipher cipher() {
    const std::size_t end = open();
    Cipher result;
    result.parms_id = parms_id();
    expect(get<std::uint8_t>() == 1, "a ciphertext outside the NTT domain");
    result.parts = get<std::uint64_t>();
    result.degree = get<std::uint64_t>();
    result.limbs = get<std::uint64_t>();
    result.scale = get<double>();
    expect(get<std::uint64_t>() == 1, "a correction factor");
    result.residues = words();
    expect(result.residues.size() == result.parts * result.limbs * result.degree, "a ciphertext of another size");
    close(end);
    return result;
  }

 private:
  const Bytes& bytes_;
  std::size_t at_ = 0;
};

class Writer {
 public:
  template <typename T>
  void put(const T& value) {
    put_bytes(&value, sizeof value);
  }

  void put_bytes(const void* from, std::size_t count) {
    const auto* const first = static_cast<const std::uint8_t*>(from);
    bytes_.insert(bytes_.end(), first, first + count);
  }

  // Writes a header; the length is filled in by close().
  std::size_t open() {
    const std::size_t begin = bytes_.size();
    put(kMagic);
    put(kHeaderSize);
    put(kMajor);
    put(kMinor);
    put(std::uint8_t{0});
    put(std::uint16_t{0});
    put(std::uint64_t{0});
    return begin;
  }

  void close(std::size_t begin) {
    const std::uint64_t size = bytes_.size() - begin;
    std::memcpy(bytes_.data() + begin + kHeaderSize - sizeof size, &size, sizeof size);
  }

  void put_words(const std::vector<std::uint64_t>& words) {
    const std::size_t begin = open();
    put(std::uint64_t{words.size()});
    put_bytes(words.data(), words.size() * 8);
    close(begin);
  }

  void put_modulus(std::uint64_t value) {
    const std::size_t begin = open();
    put(value);
    close(begin);
  }

  void put_cipher(const Cipher& cipher) {
    const std::size_t begin = open();
    put(cipher.parms_id);
    put(std::uint8_t{1});
    put(cipher.parts);
    put(cipher.degree);
    put(cipher.limbs);
    put(cipher.scale);
    put(std::uint64_t{1});
    put_words(cipher.residues);
    close(begin);
  }

  Bytes take() { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

// One object that fills `bytes`.
template <typename F>
auto parse(const Bytes& bytes, F&& members) {
  Reader reader(bytes);
  auto result = members(reader);
  expect(reader.done(), "bytes after the object");
  return result;
}

}  // namespace

ParmsId parms_id(const Parameters& parameters, std::size_t limbs) {
  std::vector<std::uint64_t> words = {kCkks, parameters.degree};
  words.insert(words.end(), parameters.primes.begin(), parameters.primes.begin() + static_cast<std::ptrdiff_t>(limbs));
  words.push_back(0);  // the plaintext modulus of the other schemes
  ParmsId result;
  crypto_generichash(reinterpret_cast<unsigned char*>(result.data()), sizeof result,
                     reinterpret_cast<const unsigned char*>(words.data()), words.size() * 8, nullptr, 0);
  return result;
}

Parameters parse_parameters(const Bytes& bytes) {
  return parse(bytes, [](Reader& reader) {
    const std::size_t end = reader.open();
    Parameters result;
    expect(reader.get<std::uint8_t>() == kCkks, "not CKKS");
    result.degree = reader.get<std::uint64_t>();
    const auto count = reader.get<std::uint64_t>();
    expect(count <= 64, std::to_string(count) + " primes");
    for (std::uint64_t i = 0; i <= count; ++i) {  // one more: the plaintext modulus
      const std::size_t prime_end = reader.open();
      const auto prime = reader.get<std::uint64_t>();
      reader.close(prime_end);
      if (i < count) result.primes.push_back(prime);
    }
    reader.close(end);
    return result;
  });
}

Plain parse_plain(const Bytes& bytes) {
  return parse(bytes, [](Reader& reader) {
    const std::size_t end = reader.open();
    Plain result;
    result.parms_id = reader.parms_id();
    const auto count = reader.get<std::uint64_t>();
    result.scale = reader.get<double>();
    result.residues = reader.words();
    expect(result.residues.size() == count, "a plaintext of another size");
    reader.close(end);
    return result;
  });
}

Cipher parse_cipher(const Bytes& bytes) {
  return parse(bytes, [](Reader& reader) { return reader.cipher(); });
}

Keys parse_keys(const Bytes& bytes) {
  return parse(bytes, [](Reader& reader) {
    const std::size_t end = reader.open();
    Keys result;
    result.parms_id = reader.parms_id();
    result.size = reader.get<std::uint64_t>();
    for (std::size_t index = 0; index < result.size; ++index) {
      const auto digits = reader.get<std::uint64_t>();
      for (std::uint64_t d = 0; d < digits; ++d) result.keys[index].push_back(reader.cipher());
    }
    reader.close(end);
    return result;
  });
}

Bytes serialize(const Parameters& parameters) {
  Writer writer;
  const std::size_t begin = writer.open();
  writer.put(kCkks);
  writer.put(parameters.degree);
  writer.put(std::uint64_t{parameters.primes.size()});
  for (const std::uint64_t prime : parameters.primes) writer.put_modulus(prime);
  writer.put_modulus(0);
  writer.close(begin);
  return writer.take();
}

Bytes serialize(const Plain& plain) {
  Writer writer;
  const std::size_t begin = writer.open();
  writer.put(plain.parms_id);
  writer.put(std::uint64_t{plain.residues.size()});
  writer.put(plain.scale);
  writer.put_words(plain.residues);
  writer.close(begin);
  return writer.take();
}

Bytes serialize(const Cipher& cipher) {
  Writer writer;
  writer.put_cipher(cipher);
  return writer.take();
}

Bytes serialize(const Keys& keys) {
  Writer writer;
  const std::size_t begin = writer.open();
  writer.put(keys.parms_id);
  writer.put(std::uint64_t{keys.size});
  for (std::size_t index = 0; index < keys.size; ++index) {
    const auto found = keys.keys.find(index);
    writer.put(std::uint64_t{found == keys.keys.end() ? 0 : found->second.size()});
    if (found == keys.keys.end()) continue;
    for (const Cipher& digit : found->second) writer.put_cipher(digit);
  }
  writer.close(begin);
  return writer.take();
}

}  // namespace thex::testing::seal

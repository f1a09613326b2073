// Shared by the fuzz targets of the CKKS formats.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "thex/base/error.h"
#include "thex/ckks/context.h"
#include "thex/ckks/serialization.h"

namespace thex::ckks::fuzz {

inline const Context& small_context() {
  static const ContextPtr context = Context::create({12, {38, 28}, {38}, 1, 28});
  return *context;
}

// The result, or nothing for an Error(protocol); any other exception is a defect.
template <typename F>
auto parsed(F&& f) -> std::optional<decltype(f())> {
  try {
    return f();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::protocol) std::abort();
    return std::nullopt;
  }
}

inline bool same(ByteView a, ByteView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

// Calls `f` with the bytes as they are, and with a header that passes (all but the type), so that mutations reach the
// payload.
template <typename F>
void with_and_without_header(const std::uint8_t* data, std::size_t size, F&& f) {
  f(ByteView(reinterpret_cast<const std::byte*>(data), size));
  constexpr std::size_t kHeader = 32;
  if (size < kHeader) return;
  Bytes bytes(size);
  std::memcpy(bytes.data(), data, size);
  std::memcpy(bytes.data(), "THEX\x01\x00", 6);
  std::memcpy(bytes.data() + 8, small_context().fingerprint().data(), 16);
  const std::uint64_t payload = size - kHeader;
  for (std::size_t i = 0; i < 8; ++i) bytes[24 + i] = static_cast<std::byte>(payload >> (8 * i));
  f(bytes);
}

}  // namespace thex::ckks::fuzz

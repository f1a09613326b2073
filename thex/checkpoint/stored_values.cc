#include "thex/checkpoint/stored_values.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "thex/base/error.h"
#include "thex/checkpoint/half.h"

namespace thex::checkpoint {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor bytes are copied as they are");

template <typename Stored, typename Widen>
void read_chunks(const ByteSource& source, std::uint64_t offset, std::vector<float>& values, Widen widen) {
  std::array<Stored, 8192> chunk;
  for (std::size_t i = 0; i < values.size(); i += chunk.size()) {
    const std::size_t n = std::min(chunk.size(), values.size() - i);
    source.read(offset + sizeof(Stored) * i, chunk.data(), sizeof(Stored) * n);
    std::transform(chunk.begin(), chunk.begin() + static_cast<std::ptrdiff_t>(n),
                   values.begin() + static_cast<std::ptrdiff_t>(i), widen);
  }
}

}  // namespace

std::vector<float> read_values(const ByteSource& source, std::uint64_t offset, std::uint64_t count, StoredType type,
                               const std::string& what) {
  if (offset > source.size || count > (source.size - offset) / width(type)) {
    throw Error(ErrorCode::model, what + " reaches beyond the end at byte " + std::to_string(source.size));
  }
  std::vector<float> values(count);
  switch (type) {
    case StoredType::f32:
      source.read(offset, values.data(), 4 * values.size());
      break;
    case StoredType::f64:
      read_chunks<double>(source, offset, values, [](double x) { return static_cast<float>(x); });
      break;
    case StoredType::f16:
      read_chunks<std::uint16_t>(source, offset, values, f16_to_float);
      break;
    case StoredType::bf16:
      read_chunks<std::uint16_t>(source, offset, values, bf16_to_float);
      break;
  }
  const auto odd = std::find_if_not(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
  if (odd != values.end()) {
    throw Error(ErrorCode::model, "value " + std::to_string(odd - values.begin()) + " of " + what + " is not finite");
  }
  return values;
}

}  // namespace thex::checkpoint

#include "thex/checkpoint/safetensors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/json.h"
#include "thex/checkpoint/byte_source.h"
#include "thex/checkpoint/half.h"
#include "thex/checkpoint/stored_values.h"

namespace thex::checkpoint {
namespace {

struct DtypeName {
  const char* name;
  std::uint64_t bytes;
};
// Types that the format knows; those of kLoadable can be loaded, the others skipped.
constexpr DtypeName kDtypes[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2},    {"F64", 8},     {"BOOL", 1},
                                 {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I16", 2},
                                 {"U16", 2}, {"I32", 4}, {"U32", 4},     {"I64", 8},     {"U64", 8}};
constexpr std::pair<const char*, StoredType> kLoadable[] = {
    {"F32", StoredType::f32}, {"F16", StoredType::f16}, {"BF16", StoredType::bf16}, {"F64", StoredType::f64}};
constexpr std::size_t kMaxRank = 8;
constexpr int kHeaderDepth = 3;  // { "name": { "shape": [..] } }

struct Entry {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::uint64_t count = 0;           // product of the shape
  std::uint64_t begin = 0, end = 0;  // bytes of the data section
};

struct Layout {
  std::vector<Entry> entries;  // by position
  std::map<std::string, std::string> metadata;
};

[[noreturn]] void bad(const std::string& message) { throw Error(ErrorCode::model, "safetensors: " + message); }

std::uint64_t header_length(const std::byte* first8, std::uint64_t file_size) {
  std::uint64_t length = 0;
  std::memcpy(&length, first8, 8);
  if (length > file_size - 8) {
    // No file of weights has a length of eight visible characters: it would have more than 2^58 bytes.
    const std::string_view text(reinterpret_cast<const char*>(first8), 8);
    if (std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); }))
      bad("it begins with the text " + in_quotes(std::string(text)) +
          " and is no file of weights; fetch the file itself");
    bad("the header claims " + std::to_string(length) + " bytes, the file has only " + std::to_string(file_size - 8) +
        " after the length; it is truncated or not a safetensors file");
  }
  if (length > kMaxSafetensorsHeader) {
    bad("the header has " + std::to_string(length) + " bytes, at most " + std::to_string(kMaxSafetensorsHeader) +
        " are supported");
  }
  return length;
}

std::uint64_t unsigned_number(const nlohmann::json& value, const std::string& what) {
  if (!value.is_number_unsigned()) bad(what + " is not a non-negative integer");
  return value.get<std::uint64_t>();
}

Entry parse_entry(const std::string& name, const nlohmann::json& value) {
  const std::string where = "tensor \"" + name + "\"";
  if (!value.is_object()) bad(where + " is not described by an object");
  const auto dtype = value.find("dtype"), shape = value.find("shape"), offsets = value.find("data_offsets");
  if (dtype == value.end() || shape == value.end() || offsets == value.end()) {
    bad(where + " lacks dtype, shape or data_offsets");
  }
  Entry entry;
  entry.name = name;
  if (!dtype->is_string()) bad(where + ": dtype is not a string");
  entry.dtype = dtype->get<std::string>();
  std::uint64_t width = 0;
  for (const auto& known : kDtypes) {
    if (entry.dtype == known.name) width = known.bytes;
  }
  if (width == 0) bad(where + " has the unknown type \"" + entry.dtype + "\"");
  if (!shape->is_array() || shape->size() > kMaxRank) {
    bad(where + ": shape is not an array of at most " + std::to_string(kMaxRank) + " dimensions");
  }
  entry.count = 1;
  for (const auto& dimension : *shape) {
    const std::uint64_t d = unsigned_number(dimension, where + ": a dimension");
    if (d > INT64_MAX || __builtin_mul_overflow(entry.count, d, &entry.count)) bad(where + ": the shape overflows");
    entry.shape.push_back(static_cast<std::int64_t>(d));
  }
  if (!offsets->is_array() || offsets->size() != 2) bad(where + ": data_offsets is not a pair");
  entry.begin = unsigned_number((*offsets)[0], where + ": data_offsets");
  entry.end = unsigned_number((*offsets)[1], where + ": data_offsets");
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(entry.count, width, &bytes)) bad(where + ": the shape overflows");
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    bad(where + " needs " + std::to_string(bytes) + " bytes, its offsets are [" + std::to_string(entry.begin) + ", " +
        std::to_string(entry.end) + ")");
  }
  return entry;
}

Layout parse_layout(std::string_view header, std::uint64_t data_size) {
  if (header.empty() || header.front() != '{') bad("the header does not begin with '{'; not a safetensors file");
  const nlohmann::json json = parse_json(header, "safetensors header", kHeaderDepth);
  Layout layout;
  for (const auto& [name, value] : json.items()) {
    if (name != "__metadata__") {
      layout.entries.push_back(parse_entry(name, value));
      continue;
    }
    if (!value.is_object()) bad("__metadata__ is not an object");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) bad("__metadata__ \"" + key + "\" is not a string");
      layout.metadata.emplace(key, text.get<std::string>());
    }
  }
  std::sort(layout.entries.begin(), layout.entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t position = 0;
  for (const Entry& entry : layout.entries) {
    if (entry.begin != position) {
      bad("tensor \"" + entry.name + "\" begins at byte " + std::to_string(entry.begin) + " of the data, expected " +
          std::to_string(position) + ": the tensors overlap or leave a gap");
    }
    position = entry.end;
  }
  if (position != data_size) {
    bad("the tensors end at byte " + std::to_string(position) + " of the data, the file has " +
        std::to_string(data_size) +
        (position > data_size ? ": it is truncated, as an interrupted download leaves it; fetch it again" : ""));
  }
  return layout;
}

Tensor read_tensor(const Entry& entry, const ByteSource& source, std::uint64_t data_begin) {
  std::optional<StoredType> type;
  for (const auto& [name, known] : kLoadable) {
    if (entry.dtype == name) type = known;
  }
  if (!type) {
    bad("tensor \"" + entry.name + "\" has type " + entry.dtype + "; only F32, F16, BF16 and F64 are supported");
  }
  return {entry.shape,
          read_values(source, data_begin + entry.begin, entry.count, *type, "tensor \"" + entry.name + "\"")};
}

// A file whose header has been read and checked.
struct Checked {
  explicit Checked(ByteSource bytes) : source(std::move(bytes)) {
    // A header's length may have the bytes with which other formats begin; then '{' follows.
    std::array<std::byte, 9> beginning{};
    source.read(0, beginning.data(), static_cast<std::size_t>(std::min<std::uint64_t>(source.size, 9)));
    if (beginning[8] != std::byte{'{'}) refuse_foreign(source);
    if (source.size < 8) bad("only " + std::to_string(source.size) + " bytes: truncated");
    std::string header(header_length(beginning.data(), source.size), '\0');
    source.read(8, header.data(), header.size());
    data_begin = 8 + header.size();
    layout = parse_layout(header, source.size - data_begin);
  }
  ByteSource source;
  std::uint64_t data_begin = 0;
  Layout layout;
};

void visit_tensors(const Checked& checked, const Wanted& wanted, const TakeTensor& take) {
  for (const Entry& entry : checked.layout.entries) {
    if (!wanted || wanted(entry.name)) take(entry.name, read_tensor(entry, checked.source, checked.data_begin));
  }
}

SafetensorsFile read_tensors(const Checked& checked, const Wanted& wanted) {
  SafetensorsFile file{.metadata = checked.layout.metadata};
  visit_tensors(checked, wanted,
                [&](const std::string& name, Tensor tensor) { file.tensors.emplace(name, std::move(tensor)); });
  return file;
}

void append_values(std::string& bytes, const std::string& name, const Tensor& tensor, Dtype dtype) {
  const auto check = [&](std::size_t i, bool finite) {
    if (!finite) {
      throw Error(ErrorCode::usage, "value " + std::to_string(i) + " of tensor \"" + name + "\" is " +
                                        std::to_string(tensor.data[i]) + ": not finite in the type of the file");
    }
  };
  if (dtype == Dtype::f32) {
    for (std::size_t i = 0; i < tensor.data.size(); ++i) check(i, std::isfinite(tensor.data[i]));
    if (!tensor.data.empty()) bytes.append(reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size() * 4);
    return;
  }
  for (std::size_t i = 0; i < tensor.data.size(); ++i) {
    const std::uint16_t half = dtype == Dtype::f16 ? float_to_f16(tensor.data[i]) : float_to_bf16(tensor.data[i]);
    check(i, std::isfinite(dtype == Dtype::f16 ? f16_to_float(half) : bf16_to_float(half)));
    bytes.push_back(static_cast<char>(half & 0xff));
    bytes.push_back(static_cast<char>(half >> 8));
  }
}

}  // namespace

SafetensorsFile parse_safetensors(std::span<const std::byte> bytes, const Wanted& wanted) {
  return read_tensors(Checked(memory_source(bytes)), wanted);
}

SafetensorsFile read_safetensors(const std::filesystem::path& path, const Wanted& wanted) {
  return naming(path, [&] { return read_tensors(Checked(file_source(path)), wanted); });
}

void visit_safetensors(const std::filesystem::path& path, const Wanted& wanted, const TakeTensor& take) {
  naming(path, [&] { visit_tensors(Checked(file_source(path)), wanted, take); });
}

std::map<std::string, std::vector<std::int64_t>> read_safetensors_shapes(const std::filesystem::path& path) {
  return naming(path, [&] {
    Checked file(file_source(path));
    std::map<std::string, std::vector<std::int64_t>> shapes;
    for (Entry& entry : file.layout.entries) shapes.emplace(std::move(entry.name), std::move(entry.shape));
    return shapes;
  });
}

void write_safetensors(const std::filesystem::path& path, const SafetensorsFile& file, Dtype dtype) {
  const char* dtype_name = dtype == Dtype::f32 ? "F32" : dtype == Dtype::f16 ? "F16" : "BF16";
  const std::uint64_t width = dtype == Dtype::f32 ? 4 : 2;
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!file.metadata.empty()) header["__metadata__"] = file.metadata;
  std::uint64_t position = 0;
  for (const auto& [name, tensor] : file.tensors) {
    std::uint64_t count = 1;
    for (const std::int64_t d : tensor.shape) {
      if (d < 0 || __builtin_mul_overflow(count, static_cast<std::uint64_t>(d), &count)) {
        throw Error(ErrorCode::usage, "tensor \"" + name + "\" has an impossible shape");
      }
    }
    if (count != tensor.data.size() || name == "__metadata__") {
      throw Error(ErrorCode::usage, "tensor \"" + name + "\" has " + std::to_string(tensor.data.size()) +
                                        " values, its shape needs " + std::to_string(count));
    }
    header[name] = {
        {"dtype", dtype_name}, {"shape", tensor.shape}, {"data_offsets", {position, position + count * width}}};
    position += count * width;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // the data section begins at a multiple of 8
  std::string bytes;
  bytes.reserve(8 + text.size() + position);
  const std::uint64_t length = text.size();
  bytes.append(reinterpret_cast<const char*>(&length), 8);
  bytes += text;
  for (const auto& [name, tensor] : file.tensors) append_values(bytes, name, tensor, dtype);
  write_file_atomically(path, bytes);
}

}  // namespace thex::checkpoint

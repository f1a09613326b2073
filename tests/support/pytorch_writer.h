// Writes state dicts as torch.save does, byte by byte, for tests and fuzzers: a zip archive of stored members with a
// pickle of protocol 2.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thex/checkpoint/safetensors.h"

namespace thex::support {

// The bytes of a number, little-endian.
template <typename Number>
std::string bytes_of(Number value) {
  return {reinterpret_cast<const char*>(&value), sizeof(Number)};
}

// A zip archive of stored members in their order. `extended`: with the 64-bit records that large archives have.
inline std::string zip_of(const std::vector<std::pair<std::string, std::string>>& members, bool extended = false) {
  using U16 = std::uint16_t;
  using U32 = std::uint32_t;
  using U64 = std::uint64_t;
  const auto size32 = [&](std::size_t size) { return bytes_of(extended ? U32{0xffffffff} : static_cast<U32>(size)); };
  std::string file, directory;
  for (const auto& [name, content] : members) {
    const std::size_t header = file.size();
    const std::string sizes = bytes_of(U64{content.size()}) + bytes_of(U64{content.size()});
    const std::string local_extra = extended ? bytes_of(U16{1}) + bytes_of(U16{16}) + sizes : "";
    const std::string common = bytes_of(U16{0}) + bytes_of(U16{0}) + bytes_of(U32{0}) + bytes_of(U32{0}) +
                               size32(content.size()) + size32(content.size()) +
                               bytes_of(static_cast<U16>(name.size()));
    file += "PK\x03\x04" + bytes_of(U16{45}) + common + bytes_of(static_cast<U16>(local_extra.size())) + name +
            local_extra + content;
    const std::string extra =
        extended ? bytes_of(U16{1}) + bytes_of(U16{24}) + sizes + bytes_of(U64{header}) : std::string();
    directory += "PK\x01\x02" + bytes_of(U16{45}) + bytes_of(U16{45}) + common +
                 bytes_of(static_cast<U16>(extra.size())) + std::string(10, '\0') + size32(header) + name + extra;
  }
  const std::size_t begin = file.size();
  file += directory;
  if (extended) {
    const std::size_t end64 = file.size();
    file += "PK\x06\x06" + bytes_of(U64{44}) + bytes_of(U16{45}) + bytes_of(U16{45}) + bytes_of(U32{0}) +
            bytes_of(U32{0}) + bytes_of(U64{members.size()}) + bytes_of(U64{members.size()}) +
            bytes_of(U64{directory.size()}) + bytes_of(U64{begin});
    file += "PK\x06\x07" + bytes_of(U32{0}) + bytes_of(U64{end64}) + bytes_of(U32{1});
  }
  const auto count = extended ? U16{0xffff} : static_cast<U16>(members.size());
  return file + "PK\x05\x06" + bytes_of(U16{0}) + bytes_of(U16{0}) + bytes_of(count) + bytes_of(count) +
         size32(directory.size()) + size32(begin) + bytes_of(U16{0});
}

// A tensor of a state dict: which storage it views, and how.
struct View {
  std::string name, storage_type, key;
  std::int64_t storage_size = 0, offset = 0;
  std::vector<std::int64_t> shape, stride;
};

inline std::string pickled(std::string_view text) {
  return "X" + bytes_of(static_cast<std::uint32_t>(text.size())) + std::string(text);
}
inline std::string pickled(std::int64_t value) {
  if (value >= 0 && value < 256) return "K" + bytes_of(static_cast<std::uint8_t>(value));
  if (value >= INT32_MIN && value <= INT32_MAX) return "J" + bytes_of(static_cast<std::int32_t>(value));
  return "\x8a\x08" + bytes_of(value);
}
inline std::string pickled(const std::vector<std::int64_t>& values) {
  std::string code = "(";
  for (const std::int64_t value : values) code += pickled(value);
  return code + "t";
}
inline std::string pickled(const View& view) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickled("storage") + "ctorch\n" + view.storage_type + "\n" +
         pickled(view.key) + pickled("cpu") + pickled(view.storage_size) + "tQ" + pickled(view.offset) +
         pickled(view.shape) + pickled(view.stride) + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

// The pickle of an OrderedDict with its "_metadata", as torch.save writes a module's state dict.
inline std::string pickle_of(const std::vector<View>& views) {
  using namespace std::string_literals;
  std::string code = "\x80\x02"s + "ccollections\nOrderedDict\nq\x00)Rq\x01("s;
  for (const View& view : views) code += pickled(view.name) + pickled(view);
  return code + "u}" + pickled("_metadata") + "ccollections\nOrderedDict\n)Rsb.";
}

inline std::vector<std::int64_t> row_major(const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> stride(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) stride[i - 1] = stride[i] * shape[i];
  return stride;
}

// A whole file with float storages.
inline std::string pytorch_file(const checkpoint::TensorMap& tensors) {
  std::vector<View> views;
  std::vector<std::pair<std::string, std::string>> members{{"archive/data.pkl", ""}};
  for (const auto& [name, tensor] : tensors) {
    const std::string key = std::to_string(views.size());
    views.push_back({name, "FloatStorage", key, static_cast<std::int64_t>(tensor.data.size()), 0, tensor.shape,
                     row_major(tensor.shape)});
    members.emplace_back("archive/data/" + key,
                         std::string(reinterpret_cast<const char*>(tensor.data.data()), 4 * tensor.data.size()));
  }
  members.front().second = pickle_of(views);
  members.emplace_back("archive/version", "3\n");
  return zip_of(members);
}

}  // namespace thex::support

#include "thex/checkpoint/pytorch.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/checkpoint/byte_source.h"
#include "thex/checkpoint/pickle.h"
#include "thex/checkpoint/stored_values.h"
#include "thex/checkpoint/zip.h"

namespace thex::checkpoint {
namespace {

constexpr const char* kAdvice =
    "write it anew with torch 1.6 or later (torch.save(model.state_dict(), ..)) or as model.safetensors";
// Tied weights are read once for each name; more values than this for each byte of the file are not a model.
constexpr std::uint64_t kMaxGrowth = 2;

[[noreturn]] void bad(const std::string& problem) { throw Error(ErrorCode::model, problem); }

// Formats that may be met under the same file name, and what to do.
void refuse_other_formats(const ByteSource& source) {
  std::array<unsigned char, 512> start{};
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(source.size, start.size()));
  source.read(0, start.data(), count);
  // A pickled number with which torch.save began its files before 1.6.
  constexpr std::array<unsigned char, 14> kOldMagic{0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c,
                                                    0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
  if (count >= kOldMagic.size() && std::equal(kOldMagic.begin(), kOldMagic.end(), start.begin()))
    bad(std::string("the format of torch.save before torch 1.6, which is not read: ") + kAdvice);
  if (count >= 262 && std::memcmp(start.data() + 257, "ustar", 5) == 0)
    bad(std::string("a tar archive, the format of torch.save before torch 0.1.10, which is not read: ") + kAdvice);
  if (looks_like_zip(source)) return;
  refuse_foreign(source);
  bad(std::string("neither a zip archive nor another format of torch.save; the file is damaged, or ") + kAdvice);
}

std::optional<StoredType> stored_type(const std::string& storage) {
  if (storage == "FloatStorage") return StoredType::f32;
  if (storage == "HalfStorage") return StoredType::f16;
  if (storage == "BFloat16Storage") return StoredType::bf16;
  if (storage == "DoubleStorage") return StoredType::f64;
  return std::nullopt;
}

// A state dict whose pickle has been read and checked.
class Archive {
 public:
  explicit Archive(ByteSource source) : source_(std::move(source)) {
    refuse_other_formats(source_);
    members_ = zip_directory(source_);
    for (const auto& [name, member] : members_) {
      const std::size_t slash = name.find('/');
      if (slash == std::string::npos || name.substr(slash) != "/data.pkl") continue;
      if (!folder_.empty()) bad("the archive has two state dicts, " + in_quotes(folder_) + " and " + in_quotes(name));
      folder_ = name.substr(0, slash + 1);
    }
    if (folder_.empty()) bad("the archive has no data.pkl: it is not a file of torch.save");
    if (members_.contains(folder_ + "constants.pkl"))
      bad(std::string("the archive is a TorchScript program, not a state dict: ") + kAdvice);
    const std::string order = member("byteorder", 10);
    if (!order.empty() && order != "little") bad("its byte order is " + in_quotes(order) + ", supported: little");
    tensors_ = parse_state_dict(member("data.pkl", kMaxPickle));
  }

  const std::vector<PickledTensor>& tensors() const { return tensors_; }

  Tensor read(const PickledTensor& tensor) const {
    const std::string what = "tensor " + in_quotes(tensor.name);
    const auto type = stored_type(tensor.storage_type);
    if (!type) {
      bad(what + " has type " + tensor.storage_type +
          "; only FloatStorage, HalfStorage, BFloat16Storage and DoubleStorage are supported");
    }
    const std::string name = folder_ + "data/" + tensor.storage_key;
    const auto it = members_.find(name);
    if (it == members_.end()) bad(what + " lies in " + in_quotes(name) + ", which the archive does not have");
    const std::uint64_t stored = it->second.size;
    if (stored % width(*type) != 0 || stored / width(*type) != tensor.storage_size) {
      bad(in_quotes(name) + " has " + std::to_string(stored) + " bytes, the " + tensor.storage_type + " of " + what +
          " has " + std::to_string(tensor.storage_size) + " values");
    }
    const std::uint64_t count = value_count(tensor);
    Tensor result{tensor.shape, {}};
    if (count == 0) return result;
    const std::uint64_t begin = member_begin(source_, name, it->second) + tensor.offset * width(*type);
    std::vector<float> values = read_values(source_, begin, span_of(tensor), *type, what);
    result.data = contiguous(tensor) ? std::move(values) : gather(tensor, values, count);
    return result;
  }

  // The values of the storage from the tensor's first to its last; parse_state_dict has checked that they are inside.
  static std::uint64_t span_of(const PickledTensor& tensor) {
    if (value_count(tensor) == 0) return 0;
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < tensor.shape.size(); ++i)
      last += static_cast<std::uint64_t>((tensor.shape[i] - 1) * tensor.stride[i]);
    return last + 1;
  }

  std::uint64_t file_size() const { return source_.size; }

 private:
  // The whole member of that name; empty when there is none.
  std::string member(const std::string& name, std::uint64_t most) const {
    const auto it = members_.find(folder_ + name);
    if (it == members_.end()) return {};
    if (it->second.size > most) {
      bad(in_quotes(folder_ + name) + " has " + std::to_string(it->second.size) + " bytes, at most " +
          std::to_string(most) + " are supported");
    }
    std::string bytes(it->second.size, '\0');
    source_.read(member_begin(source_, it->first, it->second), bytes.data(), bytes.size());
    return bytes;
  }

  static std::uint64_t value_count(const PickledTensor& tensor) {
    std::uint64_t count = 1;
    for (const std::int64_t d : tensor.shape) count *= static_cast<std::uint64_t>(d);
    return count;
  }

  static bool contiguous(const PickledTensor& tensor) {
    std::int64_t expected = 1;
    for (std::size_t i = tensor.shape.size(); i-- > 0;) {
      if (tensor.shape[i] != 1 && tensor.stride[i] != expected) return false;
      expected *= tensor.shape[i];
    }
    return true;
  }

  // Row-major values of a tensor with any strides.
  static std::vector<float> gather(const PickledTensor& tensor, const std::vector<float>& values, std::uint64_t count) {
    std::vector<float> result(count);
    std::vector<std::int64_t> index(tensor.shape.size());
    std::int64_t from = 0;
    for (float& value : result) {
      value = values[static_cast<std::size_t>(from)];
      for (std::size_t i = index.size(); i-- > 0;) {
        from += tensor.stride[i];
        if (++index[i] < tensor.shape[i]) break;
        from -= tensor.stride[i] * tensor.shape[i];
        index[i] = 0;
      }
    }
    return result;
  }

  ByteSource source_;
  std::map<std::string, ZipMember> members_;
  std::string folder_;  // "archive/": the first part of every member's name
  std::vector<PickledTensor> tensors_;
};

void visit_all(const Archive& archive, const Wanted& wanted, const TakeTensor& take) {
  std::uint64_t total = 0;
  for (const PickledTensor& tensor : archive.tensors()) {
    if (wanted && !wanted(tensor.name)) continue;
    total += Archive::span_of(tensor);
    if (total / kMaxGrowth > archive.file_size())
      bad("its tensors share their storages so often that they need more than " + std::to_string(kMaxGrowth) +
          " values for each byte of the file");
    take(tensor.name, archive.read(tensor));
  }
}

TensorMap read_all(const Archive& archive, const Wanted& wanted) {
  TensorMap tensors;
  visit_all(archive, wanted, [&](const std::string& name, Tensor tensor) { tensors.emplace(name, std::move(tensor)); });
  return tensors;
}

}  // namespace

TensorMap read_pytorch(const std::filesystem::path& path, const Wanted& wanted) {
  return naming(path, [&] { return read_all(Archive(file_source(path)), wanted); });
}

void visit_pytorch(const std::filesystem::path& path, const Wanted& wanted, const TakeTensor& take) {
  naming(path, [&] { visit_all(Archive(file_source(path)), wanted, take); });
}

TensorMap parse_pytorch(std::span<const std::byte> bytes, const Wanted& wanted) {
  return read_all(Archive(memory_source(bytes)), wanted);
}

std::map<std::string, std::vector<std::int64_t>> read_pytorch_shapes(const std::filesystem::path& path) {
  return naming(path, [&] {
    std::map<std::string, std::vector<std::int64_t>> shapes;
    const Archive archive(file_source(path));
    for (const PickledTensor& tensor : archive.tensors()) shapes.emplace(tensor.name, tensor.shape);
    return shapes;
  });
}

}  // namespace thex::checkpoint

// The tensors that a pickled state dict describes, as torch.save writes it: a dictionary from names to tensors in
// storages that lie beside the pickle.
//
// A pickle is a program for a small stack machine. This reader runs the few instructions that state dicts need on
// values of its own (numbers, strings, tuples, dictionaries); what it may call is a fixed list:
// collections.OrderedDict, torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter,
// torch.jit._pickle.restore_type_tag and the storage types of torch. Everything else is refused by its name; nothing is
// ever imported or executed. Internal to this folder.
//
// Source: CPython's pickletools (protocols 2 to 4), torch/serialization.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace thex::checkpoint {

struct PickledTensor {
  std::string name;
  std::string storage_type;        // "FloatStorage", ...
  std::string storage_key;         // the member "data/KEY" of the archive
  std::uint64_t storage_size = 0;  // values
  std::uint64_t offset = 0;        // of the first value, in values
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> stride;  // in values; as many as dimensions, none negative, zero along one value
};

// The largest pickle that is read; BERT-large needs about 60 kB.
inline constexpr std::uint64_t kMaxPickle = 4u << 20;

// In the order of the file. Every tensor has at most as many values as its storage and lies inside of it. Throws
// Error(model) naming what is not supported and where, in bytes.
std::vector<PickledTensor> parse_state_dict(std::string_view pickle);

}  // namespace thex::checkpoint

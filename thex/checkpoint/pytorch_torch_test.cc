// The reader of pytorch_model.bin against libtorch's own writer of the same format.
#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/pickle.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/torch.h>

#include <fstream>

#include "tests/support/temporary_folder.h"
#include "thex/checkpoint/pytorch.h"

namespace thex::checkpoint {
namespace {

void expect_same(const std::string& name, const Tensor& read, const torch::Tensor& written) {
  ASSERT_EQ(read.shape, written.sizes().vec()) << name;
  const torch::Tensor flat = written.to(torch::kFloat).contiguous().view(-1);
  ASSERT_EQ(read.data.size(), static_cast<std::size_t>(flat.numel())) << name;
  for (std::int64_t i = 0; i < flat.numel(); ++i)
    ASSERT_EQ(read.data[static_cast<std::size_t>(i)], flat[i].item<float>()) << name << " value " << i;
}

// Names and tensors with every property that the format stores: type, strides, offset, a storage of several tensors.
c10::Dict<std::string, torch::Tensor> state_dict() {
  torch::manual_seed(1);
  const torch::Tensor base = torch::randn({6, 4});
  c10::Dict<std::string, torch::Tensor> dict;
  dict.insert("whole", base);
  dict.insert("tied", base);
  dict.insert("transposed", base.t());
  dict.insert("rows", base.slice(0, 2, 5));
  dict.insert("strided", base.slice(0, 1, 6, 2).slice(1, 0, 4, 3));
  dict.insert("half", torch::randn({3, 5}).to(torch::kHalf));
  dict.insert("bfloat", torch::randn({7}).to(torch::kBFloat16));
  dict.insert("double", torch::randn({2, 2, 2}).to(torch::kDouble));
  dict.insert("scalar", torch::tensor(2.5f));
  dict.insert("empty", torch::zeros({0, 3}));
  return dict;
}

void expect_all(const TensorMap& read) {
  const auto dict = state_dict();
  ASSERT_EQ(read.size(), dict.size());
  for (const auto& item : dict) expect_same(item.key(), read.at(item.key()), item.value());
}

TEST(PytorchAgainstTorch, ReadsPickleSave) {
  const std::vector<char> bytes = torch::pickle_save(state_dict());
  expect_all(parse_pytorch(std::as_bytes(std::span(bytes.data(), bytes.size()))));
}

// The parts of torch.save: a pickle without type tags, and a stream of records.
TEST(PytorchAgainstTorch, ReadsAStreamOfRecords) {
  const TemporaryFolder folder;
  const std::string path = folder.path() / "pytorch_model.bin";
  {
    std::string pickle;
    torch::jit::Pickler pickler([&](const char* data, std::size_t size) { pickle.append(data, size); }, nullptr,
                                nullptr, nullptr, nullptr, /*tag_aggregates=*/false);
    pickler.protocol();
    pickler.pushIValue(state_dict());
    pickler.stop();
    caffe2::serialize::PyTorchStreamWriter writer(path);
    writer.writeRecord("data.pkl", pickle.data(), pickle.size());
    std::size_t key = 0;
    for (const torch::Tensor& tensor : pickler.tensorData()) {
      const torch::Tensor plain = tensor.contiguous();
      writer.writeRecord("data/" + std::to_string(key++), plain.storage().data(), plain.storage().nbytes());
    }
    writer.writeEndOfFile();
  }
  expect_all(read_pytorch(path));
  EXPECT_EQ(read_pytorch_shapes(path).at("transposed"), (std::vector<std::int64_t>{4, 6}));
}

TEST(PytorchAgainstTorch, RefusesWhatIsNoStateDict) {
  const auto rejected = [](const std::vector<char>& bytes) {
    try {
      parse_pytorch(std::as_bytes(std::span(bytes.data(), bytes.size())));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::model);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_NE(rejected(torch::pickle_save(torch::randn({2}))).find("a tensor, expected a dictionary"), std::string::npos);
  EXPECT_NE(rejected(torch::pickle_save(std::vector<std::int64_t>{1, 2})), "");
}

}  // namespace
}  // namespace thex::checkpoint

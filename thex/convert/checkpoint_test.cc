// Damaged checkpoints are told with the file's name; they are never half used.
#include "thex/convert/checkpoint.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/training.h"
#include "thex/base/error.h"

namespace thex::convert {
namespace {

model::ModelConfig tiny_config() {
  model::ModelConfig config;
  config.layers = 1, config.hidden = 64, config.heads = 1, config.ffn = 64, config.vocab = 10;
  config.max_positions = 16, config.activation = model::Activation::relu, config.labels = {"no", "yes"};
  return config;
}

class CheckpointFile : public ::testing::Test {
 protected:
  void SetUp() override {
    store.save_module("m", EncoderModule(tiny_config(), 1, torch::kCPU), {{"held", "0.5"}, {"word", "one"}});
    store.save_table("t", at::ones({2, 3}));
  }
  // The file with something changed must be refused, with `word` in the message.
  template <typename Change>
  void expect_refused(Change&& change, const std::string& word) {
    checkpoint::SafetensorsFile file = checkpoint::read_safetensors(folder.path() / "m.safetensors");
    change(file);
    checkpoint::write_safetensors(folder.path() / "changed.safetensors", file, checkpoint::Dtype::f32);
    try {
      store.load_module("changed", torch::kCPU);
      FAIL() << "was loaded";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::model);
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  }
  testing::TemporaryFolder folder;
  CheckpointStore store{folder.path(), "one"};
};

TEST_F(CheckpointFile, NotesAreNumbersOrErrors) {
  const auto loaded = store.load_module("m", torch::kCPU);
  ASSERT_TRUE(loaded.has_value());
  EXPECT_EQ(loaded->number("held"), 0.5);
  EXPECT_THROW(loaded->number("word"), Error);
  EXPECT_THROW(loaded->number("missing"), Error);
}

TEST_F(CheckpointFile, DamageIsNamed) {
  expect_refused([](auto& file) { file.tensors.erase("encoder.layer.0.output.dense.weight"); },
                 "encoder.layer.0.output.dense.weight");
  expect_refused([](auto& file) { file.tensors.at("classifier.bias") = {{3}, {0, 0, 0}}; }, "classifier.bias");
  expect_refused([](auto& file) { file.metadata.at("norms") = "es"; }, "AffineNorm");
  expect_refused([](auto& file) { file.metadata.at("norms") = "e"; }, "norms");
  expect_refused([](auto& file) { file.metadata.at("norms") = "xy"; }, "norms");
  expect_refused([](auto& file) { file.metadata.at("softmax") = "estimation"; }, "estimation");
  expect_refused([](auto& file) { file.metadata.at("softmax") = "soft"; }, "softmax");
  expect_refused([](auto& file) { file.metadata.at("config") = "{"; }, "JSON");
  // Found by fuzzing: a classifier's tensors beside a configuration without labels.
  expect_refused(
      [](auto& file) {
        std::string& config = file.metadata.at("config");
        for (const std::string gone : {"\"id2label\"", "\"architectures\""}) {
          ASSERT_NE(config.find(gone), std::string::npos);
          config.replace(config.find(gone) + 1, 2, "no");
        }
      },
      "no labels");
}

TEST_F(CheckpointFile, ATableIsAlone) {
  EXPECT_TRUE(at::equal(*store.load_table("t"), at::ones({2, 3})));
  checkpoint::SafetensorsFile file = checkpoint::read_safetensors(folder.path() / "t.safetensors");
  file.tensors.emplace("another", checkpoint::Tensor{{1}, {1}});
  checkpoint::write_safetensors(folder.path() / "two.safetensors", file, checkpoint::Dtype::f32);
  EXPECT_THROW(store.load_table("two"), Error);
  file.tensors.erase("table");
  checkpoint::write_safetensors(folder.path() / "none.safetensors", file, checkpoint::Dtype::f32);
  EXPECT_THROW(store.load_table("none"), Error);
}

}  // namespace
}  // namespace thex::convert

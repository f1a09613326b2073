#include "thex/convert/model_folder.h"

#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"
#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/convert/encoder_module.h"
#include "thex/convert/work_folder.h"

namespace thex::convert {
namespace {

namespace fs = std::filesystem;

class ModelFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    put("model/config.json", "{}"), put("model/model.safetensors", "weights"), put("data/train.tsv", "a");
    put("other/config.json", "{}"), put("other/model.safetensors", "old");
    fs::create_symlink(at("model"), at("link"));
  }
  fs::path at(const std::string& name) const { return folder.path() / name; }
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories(at(name).parent_path());
    write_file_atomically(at(name), text);
  }
  void check(const fs::path& out, bool force = false, const fs::path& work = {}) const {
    check_output({out, work.empty() ? fs::path(out.string() + ".work") : work, force},
                 {{"the model", at("model")}, {"the training data", at("data/train.tsv")}, {"the teacher", ""}});
  }
  void expect_refused(ErrorCode code, const std::string& part, const fs::path& out, bool force = false,
                      const fs::path& work = {}) const {
    try {
      check(out, force, work);
      ADD_FAILURE() << out << " was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  }
  TemporaryFolder folder;
};

TEST_F(ModelFolder, WhatIsReadIsNeverAnOutput) {
  for (const bool force : {false, true}) {
    for (const char* same : {"model", "link", "link/", "data/../model", "model/.", "./link/."})
      expect_refused(ErrorCode::usage, "is the model", at(same), force);
    expect_refused(ErrorCode::usage, "holds the model", folder.path(), force);
    expect_refused(ErrorCode::usage, "holds the training data", at("data"), force);
    expect_refused(ErrorCode::usage, "is the training data", at("data/train.tsv"), force);
    expect_refused(ErrorCode::usage, "--work", at("new"), force, at("model"));
    expect_refused(ErrorCode::usage, "--work", at("new"), force, at("data"));
  }
  // The files of an input may be links to files elsewhere.
  fs::remove(at("model/model.safetensors"));
  fs::create_symlink(at("other/model.safetensors"), at("model/model.safetensors"));
  expect_refused(ErrorCode::usage, "holds the model", at("other"), true);
}

TEST_F(ModelFolder, WhatExistsIsReplacedOnRequestAlone) {
  check(at("new"));
  check(at("new/deeper"));
  fs::create_directories(at("empty"));
  check(at("empty"));
  expect_refused(ErrorCode::usage, "--force", at("other"));
  check(at("other"), true);
  put("other/README.md", "about");
  check(at("other"), true);
  put("other/pytorch_model.bin", "weights of something else");
  expect_refused(ErrorCode::usage, "pytorch_model.bin", at("other"), true);
  put("notes/todo.txt", "do");
  expect_refused(ErrorCode::usage, "todo.txt", at("notes"), true);
  put("file", "text");
  expect_refused(ErrorCode::file, "no folder", at("file"), true);
  expect_refused(ErrorCode::file, "no folder", at("file/new"));
}

TEST_F(ModelFolder, CheckpointsAndOutputsLieApart) {
  expect_refused(ErrorCode::usage, "lie in each other", at("new"), false, at("new"));
  expect_refused(ErrorCode::usage, "lie in each other", at("new"), false, at("new/work"));
  expect_refused(ErrorCode::usage, "lie in each other", at("work/new"), false, at("work"));
  { const WorkFolder work(at("other.work"), "convert abc"); }
  expect_refused(ErrorCode::usage, "folder of checkpoints", at("other.work"), true);
  put("other.work/plain/config.json", "{}");
  expect_refused(ErrorCode::usage, "folder of checkpoints", at("other.work/plain"), true);
}

TEST_F(ModelFolder, AWorkFolderHasOneOwnerAndOneUser) {
  {
    const WorkFolder mine(at("work"), "convert abc");
    EXPECT_THROW(WorkFolder(at("work"), "convert abc"), Error) << "two at a time";
  }
  put("work/stage-00-plain.safetensors", "a checkpoint");
  { const WorkFolder again(at("work"), "convert abc"); }
  EXPECT_THROW(WorkFolder(at("work"), "convert def"), Error) << "of another model";
  put("older/stage-00-plain.safetensors", "without a mark");
  try {
    const WorkFolder older(at("older"), "convert abc");
    ADD_FAILURE() << "was taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::usage);
    EXPECT_NE(std::string(e.what()).find("older version"), std::string::npos) << e.what();
  }
  EXPECT_THROW(WorkFolder(at("model"), "convert abc"), Error) << "a model";
}

model::Model tiny(std::uint64_t seed) {
  model::ModelConfig c;
  c.layers = 1, c.hidden = 8, c.heads = 1, c.ffn = 8, c.vocab = 6, c.max_positions = 8, c.labels = {"no", "yes"};
  return EncoderModule(c, seed, torch::kCPU).to_model();
}

std::string all_of(const fs::path& file) { return read_file(file, 1u << 20); }

TEST_F(ModelFolder, IsReplacedWhole) {
  put("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n");
  const auto write = [&](std::uint64_t seed, bool replace, std::map<std::string, std::string> reports) {
    write_model_folder(tiny(seed), at("vocab.txt"), at("out"), reports, checkpoint::Dtype::f32, replace);
  };
  write(1, false, {{"report.json", "one"}, {"report.html", "page"}});
  put("out/README.md", "about");
  const std::string before = all_of(at("out/model.safetensors"));
  EXPECT_THROW(write(2, false, {}), Error);
  EXPECT_EQ(all_of(at("out/model.safetensors")), before);
  write(2, true, {{"report.json", "two"}});
  EXPECT_NE(all_of(at("out/model.safetensors")), before);
  EXPECT_EQ(all_of(at("out/report.json")), "two");
  EXPECT_EQ(all_of(at("out/README.md")), "about");
  EXPECT_FALSE(fs::exists(at("out/report.html"))) << "a report of the old model";
  for (const auto& entry : fs::directory_iterator(folder.path()))
    EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << entry.path();
  // A model that cannot be written leaves the old one, and nothing else.
  model::Model broken = tiny(3);
  broken.tensors.erase("classifier.bias");
  EXPECT_THROW(write_model_folder(broken, at("vocab.txt"), at("out"), {}, checkpoint::Dtype::f32, true), Error);
  EXPECT_EQ(all_of(at("out/report.json")), "two");
}

}  // namespace
}  // namespace thex::convert

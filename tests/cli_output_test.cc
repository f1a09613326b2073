// What each command prints: schemas of --json, and that people get the same.
#include "tests/support/cli_world.h"

namespace thex::testing {
namespace {

const CliWorld& world() { return CliWorld::instance(); }

void expect_classification(const Json& json, const std::string& text) {
  ASSERT_TRUE(json.is_object());
  for (const char* key : {"text", "label", "score", "logits", "protocol", "security_bits", "tokens", "seconds",
                          "bytes_sent", "bytes_received"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["text"], text);
  EXPECT_TRUE(json["label"] == "positive" || json["label"] == "negative") << json["label"];
  EXPECT_GE(json["score"], 0.5);
  EXPECT_LE(json["score"], 1.0);
  EXPECT_EQ(json["logits"].size(), 2u);
  EXPECT_EQ(json["protocol"], "the-x");
  EXPECT_EQ(json["security_bits"], 128);
  EXPECT_GT(json["tokens"], 2);
  EXPECT_GT(json["bytes_sent"], 100000);
  EXPECT_GT(json["bytes_received"], 10000);
  double sum = 0;
  for (const auto& [phase, seconds] : json["seconds"].items()) {
    EXPECT_GE(seconds, 0) << phase;
    if (phase != "total") sum += seconds.get<double>();
  }
  EXPECT_NEAR(json["seconds"]["total"], sum, 0.1 * sum + 0.05);
}

TEST(Output, ClassifyOneSentenceStartsAServerAndEndsIt) {
  const Finished f = world().thex({"classify", "a gripping, beautiful film", "--json"});
  ASSERT_EQ(f.status, 0) << f.errors;
  ASSERT_EQ(count_lines(f.output), 1u) << f.output;
  expect_classification(Json::parse(f.output), "a gripping, beautiful film");
  const Finished text = world().thex({"classify", "a gripping, beautiful film", "--ledger"});
  ASSERT_EQ(text.status, 0) << text.errors;
  for (const char* part : {"time", "traffic", "security  128 bits (classical)", "leakage ledger", "server", "client",
                           "cheating client", "network"}) {
    EXPECT_NE(text.output.find(part), std::string::npos) << part << '\n' << text.output;
  }
  EXPECT_EQ(text.errors, "") << "the keys of the first run are used again";
}

TEST(Output, ClassifyAFileInOrder) {
  const RunningServer server;
  const auto file = world().folder() / "texts";
  write_file_atomically(file, std::string("a film\nnot good\nit was dull .\n"));
  const Finished f = world().thex({"classify", "--server", server.address, "--input", file.string(), "--json"});
  ASSERT_EQ(f.status, 0) << f.errors;
  std::istringstream lines(f.output);
  std::string line;
  for (const char* text : {"a film", "not good", "it was dull ."}) {
    ASSERT_TRUE(std::getline(lines, line));
    expect_classification(Json::parse(line), text);
  }
  const Finished tsv =
      world().thex({"classify", "--server", server.address, "--input", world().data(), "--text-column", "sentence"});
  ASSERT_EQ(tsv.status, 0) << tsv.errors;
  EXPECT_EQ(count_lines(tsv.output), 4u) << tsv.output;
  const Finished in =
      world().thex({"classify", "--server", server.address, "--input", "-", "--json"}, "a good movie\n");
  ASSERT_EQ(in.status, 0) << in.errors;
  expect_classification(Json::parse(in.output), "a good movie");
}

// Results of batches come in the order of the file, and a run that was cut off goes on after the last one that is
// whole.
TEST(Output, ClassifyAFileInBatches) {
  const auto model = world().folder() / "one-round";
  write_model(model, {.max_relu_input = 4, .protocol = model::Protocol::one_round});
  const RunningServer server({}, model.string());
  const auto file = world().folder() / "many", out = world().folder() / "many.jsonl";
  const std::vector<std::string> texts = {"good", "it is a dull movie ! the film was not good and not very beautiful",
                                          "a film", "bad", "not good"};
  std::string all;
  for (const std::string& text : texts) all += text + "\n";
  write_file_atomically(file, all);
  const std::vector<std::string> command = {"classify", "--server",    server.address, "--model",   model.string(),
                                            "--input",  file.string(), "--output",     out.string()};
  const auto results = [&] {
    std::vector<Json> lines;
    std::istringstream in(read_file(out, 1 << 20));
    for (std::string line; std::getline(in, line);) lines.push_back(Json::parse(line));
    return lines;
  };
  const Finished f = world().thex(command);
  ASSERT_EQ(f.status, 0) << f.errors;
  EXPECT_EQ(f.output, "");
  const std::vector<Json> whole = results();
  ASSERT_EQ(whole.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(whole[i]["text"], texts[i]);
  EXPECT_GE(whole[0]["sentences"], 4) << "the short ones share a query";

  auto one_by_one = command;
  one_by_one.insert(one_by_one.end() - 2, "--one-by-one");
  one_by_one.back() = (world().folder() / "single.jsonl").string();
  ASSERT_EQ(world().thex(one_by_one).status, 0);
  std::istringstream singles(read_file(one_by_one.back(), 1 << 20));
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::string line;
    ASSERT_TRUE(std::getline(singles, line));
    const Json single = Json::parse(line);
    EXPECT_EQ(single["sentences"], 1);
    for (std::size_t l = 0; l < 2; ++l)
      EXPECT_NEAR(single["logits"][l].get<double>(), whole[i]["logits"][l].get<double>(), 4e-2) << texts[i];
  }

  // Two results, and half of the third.
  std::string kept = read_file(out, 1 << 20);
  kept = kept.substr(0, kept.find('\n', kept.find('\n') + 1) + 20);
  write_file_atomically(out, kept);
  const Finished again = world().thex(command);
  ASSERT_EQ(again.status, 0) << again.errors;
  EXPECT_NE(again.errors.find("2 results are there already"), std::string::npos) << again.errors;
  const std::vector<Json> resumed = results();
  ASSERT_EQ(resumed.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(resumed[i]["text"], texts[i]);
  EXPECT_EQ(resumed[0], whole[0]) << "not asked again";

  write_file_atomically(file, "another text\n" + all);
  const std::string before = read_file(out, 1 << 20);
  expect_error(world().thex(command), ErrorCode::input, "many.jsonl:1: not the result of ");
  EXPECT_EQ(read_file(out, 1 << 20), before);
  expect_error(world().thex({"classify", "good", "--output", out.string()}), ErrorCode::usage, "--input");
}

TEST(Output, EvalInAllModes) {
  for (const char* mode : {"plain", "simulate", "encrypted"}) {
    const Finished f = world().thex({"eval", "--mode", mode, "--data", world().data(), "--limit", "3", "--json"});
    ASSERT_EQ(f.status, 0) << f.errors;
    const Json json = Json::parse(f.output);
    EXPECT_EQ(json["mode"], mode);
    EXPECT_EQ(json["metric"], "accuracy");
    EXPECT_EQ(json["examples"], 3);
    EXPECT_GE(json["value"], 0);
    EXPECT_LE(json["value"], 1);
    EXPECT_EQ(json.contains("max_logit_error"), mode != std::string("plain"));
    if (mode == std::string("plain")) continue;
    EXPECT_LE(json["max_logit_error"], 1e-2) << mode;
    EXPECT_GT(json["max_logit_error"], 0) << mode;
    EXPECT_EQ(json["confident_disagreements"], 0);
    EXPECT_GE(json["label_agreement"], 0.0);
  }
}

// The HE-friendly part is not needed to evaluate a model in clear.
TEST(Output, EvalOfAPlainFolder) {
  const auto folder = world().folder() / "plain";
  model::Model model = model::load_model(world().model());
  model.config.thex.reset();
  model.config.activation = model::Activation::gelu;
  model::save_model(model, folder, std::filesystem::path(world().model()) / "vocab.txt", checkpoint::Dtype::f32);
  const Finished f = world().thex({"eval", "--model", folder.string(), "--data", world().data(), "--json"});
  ASSERT_EQ(f.status, 0) << f.errors;
  EXPECT_EQ(Json::parse(f.output)["examples"], 4);
  expect_error(world().thex({"classify", "--model", folder.string(), "good"}), ErrorCode::model, "thex convert");
}

TEST(Output, KeygenAndItsFiles) {
  const auto folder = world().folder() / "made" / "keys";
  const Finished f = world().thex({"keygen", "-o", folder.string(), "--json"});
  ASSERT_EQ(f.status, 0) << f.errors;
  const Json json = Json::parse(f.output);
  struct stat info {};
  for (const char* key : {"secret_key", "evaluation_keys"}) {
    ASSERT_EQ(::stat(json[key].get<std::string>().c_str(), &info), 0) << key;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << key;
  }
  EXPECT_EQ(json["evaluation_key_bytes"], std::filesystem::file_size(folder / "eval.keys"));
  EXPECT_EQ(json["plan"].get<std::string>().size(), 32u);
  const Finished used = world().thex({"classify", "--keys", folder.string(), "good", "--json"});
  EXPECT_EQ(used.status, 0) << used.errors;
}

TEST(Output, Inspect) {
  const Finished f = world().thex({"inspect", "--json"});
  ASSERT_EQ(f.status, 0) << f.errors;
  const Json json = Json::parse(f.output);
  for (const char* key :
       {"model", "protocol", "plan", "rounds", "security_bits", "parameters", "keys", "buckets", "ledger"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["model_digest"].get<std::string>().size(), 64u);
  for (const char* part : {"weights", "embeddings", "tokenizer", "labels"})
    EXPECT_EQ(json["model"]["digests"][part].get<std::string>().size(), 64u) << part;
  EXPECT_EQ(json["rounds"], 4);
  EXPECT_GE(json["ledger"].size(), 3u);
  EXPECT_GT(json["keys"]["wire_bytes"], 0);
  for (const Json& bucket : json["buckets"]) EXPECT_GT(bucket["estimated_seconds"], 0);
  const Finished text = world().thex({"inspect"});
  EXPECT_NE(text.output.find("leakage ledger"), std::string::npos);
  EXPECT_NE(text.output.find("128 bits (classical)"), std::string::npos);
  EXPECT_NE(text.output.find("digest    " + json["model_digest"].get<std::string>()), std::string::npos) << text.output;
}

// What scripts read of a deep model.
TEST(Output, OfMaskedRounds) {
  const TemporaryFolder folder;
  const std::string model = (folder.path() / "deep").string();
  const std::string maker = CliWorld::program("make-test-model");
  ASSERT_EQ(run({maker, model, "2", "32", "2", "32", "16", "3", "--protocol", "masked-rounds"}).status, 0);
  const Finished inspected = world().thex({"inspect", "--model", model, "--json"});
  ASSERT_EQ(inspected.status, 0) << inspected.errors;
  const Json plan = Json::parse(inspected.output);
  EXPECT_EQ(plan["protocol"], "masked-rounds");
  EXPECT_GT(plan["rounds"], 1);
  EXPECT_GE(plan["statistical_bits"], 40);
  EXPECT_GT(plan["peak_memory_bytes"], plan["keys"]["memory_bytes"]);
  ASSERT_FALSE(plan["buckets"].empty());
  for (const Json& bucket : plan["buckets"]) {
    EXPECT_GT(bucket["seconds"], 0);
    EXPECT_GT(bucket["bytes_to_server"], 0);
    EXPECT_GT(bucket["bytes_to_client"], 0);
    EXPECT_EQ(bucket["bytes"], bucket["bytes_to_server"].get<double>() + bucket["bytes_to_client"].get<double>());
  }
  const Json& last = plan["buckets"].back();
  EXPECT_GT(last["sentences"], 1) << "batches are listed too";
  const Finished shown = world().thex({"inspect", "--model", model});
  for (const char* part : {"protocol  masked-rounds, ", "masks     what the client sees of them is within 2^-"})
    EXPECT_NE(shown.output.find(part), std::string::npos) << part << '\n' << shown.output;
  const Finished asked = world().thex({"classify", "a good film", "--model", model, "--json"});
  ASSERT_EQ(asked.status, 0) << asked.errors;
  const Json answer = Json::parse(asked.output);
  EXPECT_EQ(answer["protocol"], "masked-rounds");
  EXPECT_EQ(answer["rounds"], plan["rounds"]);
  EXPECT_NEAR(answer["bytes_sent"].get<double>() + answer["bytes_received"].get<double>(),
              plan["buckets"][0]["bytes"].get<double>(), 200.0 * plan["rounds"].get<double>() + 1000);
}

TEST(Output, InspectIsRightAboutSizes) {
  const Json plan = Json::parse(world().thex({"inspect", "--json"}).output);
  const Json query = Json::parse(world().thex({"classify", "good film", "--json"}).output);
  const Json& bucket = plan["buckets"][0];
  ASSERT_EQ(bucket["tokens"], query["padded_tokens"]);
  // Frames and message heads come on top of the ciphertexts.
  EXPECT_NEAR(query["bytes_sent"].get<double>(), bucket["bytes_to_server"].get<double>(), 1000);
  EXPECT_NEAR(query["bytes_received"].get<double>(), bucket["bytes_to_client"].get<double>(), 1000);
}

TEST(Output, ServerSaysWhatItDid) {
  RunningServer server;
  EXPECT_FALSE(server.ready.contains("key_sets")) << "of other users nothing is told";
  EXPECT_EQ(server.ready["protocol"], "the-x");
  EXPECT_EQ(world().thex({"classify", "--server", server.address, "good"}).status, 0);
  EXPECT_EQ(world().thex({"classify", "--server", server.address, "bad"}).status, 0);
  server.process->kill(SIGTERM);
  EXPECT_EQ(server.process->wait(), 0);
  const std::string& output = server.process->output;
  const Json last = Json::parse(output.substr(output.find('\n') + 1));
  EXPECT_EQ(last["queries"], 2);
  EXPECT_EQ(last["key_uploads"], 1);
  EXPECT_EQ(last["failures"], 0);
  EXPECT_GT(last["peak_memory_bytes"], last["key_bytes"]);
  EXPECT_NE(server.process->errors.find("peak memory"), std::string::npos) << server.process->errors;
}

TEST(Output, HelpNamesTheExitStatuses) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{{"--help"},
                                                                                         {"classify", "--help"},
                                                                                         {"keygen", "--help"},
                                                                                         {"eval", "--help"},
                                                                                         {"inspect", "--help"},
                                                                                         {"calibrate", "--help"},
                                                                                         {"serve", "--help"}}) {
    const Finished f = world().thex(arguments);
    EXPECT_EQ(f.status, 0) << f.errors;
    EXPECT_NE(f.output.find("Exit status: 0 success, 2 wrong usage"), std::string::npos) << arguments[0];
  }
  EXPECT_EQ(world().thex({"--version"}).output.substr(0, 5), "thex ");
}

}  // namespace
}  // namespace thex::testing

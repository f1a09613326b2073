#include "thex/model/config.h"

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/support/models.h"
#include "thex/base/file.h"

namespace thex::model {
namespace {

using nlohmann::json;
using support::error_of;

json minimal() {
  return {{"model_type", "bert"},          {"num_hidden_layers", 6},    {"hidden_size", 384},
          {"num_attention_heads", 12},     {"intermediate_size", 1536}, {"vocab_size", 30522},
          {"max_position_embeddings", 512}};
}

std::string rejection(const std::string& field, const json& value) {
  json config = minimal();
  config[field] = value;
  const std::string message = error_of(ErrorCode::model, [&] { parse_config(config.dump()); });
  EXPECT_NE(message.find('"' + field + '"'), std::string::npos) << message;
  return message;
}

std::string he_rejection(const std::string& field, const json& value) {
  json config = minimal();
  config["thex"] = {{"version", 1}};
  config["thex"][field] = value;
  const std::string message = error_of(ErrorCode::model, [&] { parse_config(config.dump()); });
  EXPECT_NE(message.find("\"thex\": field \"" + field + '"'), std::string::npos) << message;
  return message;
}

TEST(Config, ReadsAPlainBert) {
  const ModelConfig config = parse_config(minimal().dump());
  EXPECT_EQ(config.layers, 6);
  EXPECT_EQ(config.hidden, 384);
  EXPECT_EQ(config.heads, 12);
  EXPECT_EQ(config.head_dim(), 32);
  EXPECT_EQ(config.ffn, 1536);
  EXPECT_EQ(config.type_vocab, 2);
  EXPECT_EQ(config.layer_norm_eps, 1e-12);
  EXPECT_EQ(config.activation, Activation::gelu);
  EXPECT_TRUE(config.pooler);
  EXPECT_TRUE(config.labels.empty());
  EXPECT_TRUE(config.do_lower_case);
  EXPECT_FALSE(config.thex);
  EXPECT_FALSE(config.he_friendly());
}

TEST(Config, RoundTripsEveryField) {
  ModelConfig config;
  config.layers = 3;
  config.hidden = 96;
  config.heads = 4;
  config.ffn = 200;
  config.vocab = 1234;
  config.max_positions = 77;
  config.type_vocab = 1;
  config.layer_norm_eps = 1e-5;
  config.activation = Activation::relu;
  config.pooler = false;
  config.labels.assign(12, "");
  for (int i = 0; i < 12; ++i) config.labels[static_cast<std::size_t>(i)] = "läbel " + std::to_string(i);
  config.do_lower_case = false;
  config.thex = HeSection{1, Softmax::estimation, Norm::affine, 12.625, 3.1, 256};
  const ModelConfig back = parse_config(config_to_json(config), tokenizer_config_to_json(config));
  EXPECT_EQ(back.layers, 3);
  EXPECT_EQ(back.hidden, 96);
  EXPECT_EQ(back.heads, 4);
  EXPECT_EQ(back.ffn, 200);
  EXPECT_EQ(back.vocab, 1234);
  EXPECT_EQ(back.max_positions, 77);
  EXPECT_EQ(back.type_vocab, 1);
  EXPECT_EQ(back.layer_norm_eps, 1e-5);
  EXPECT_EQ(back.activation, Activation::relu);
  EXPECT_FALSE(back.pooler);
  EXPECT_EQ(back.labels, config.labels);
  EXPECT_FALSE(back.do_lower_case);
  ASSERT_TRUE(back.thex);
  EXPECT_EQ(back.thex->softmax, Softmax::estimation);
  EXPECT_EQ(back.thex->norm, Norm::affine);
  EXPECT_EQ(back.thex->max_relu_input, 12.625);
  EXPECT_EQ(back.thex->max_logit, 3.1);
  EXPECT_EQ(back.thex->max_tokens, 256);
  EXPECT_TRUE(back.he_friendly());
}

TEST(Config, ReplacementsDecideTheProtocol) {
  ModelConfig config;
  EXPECT_TRUE(config.protocols().empty());
  config.activation = Activation::square;
  config.pooler = false;
  config.thex = HeSection{1, Softmax::power, Norm::affine, 2, 3};
  const ModelConfig back = parse_config(config_to_json(config));
  EXPECT_EQ(back.activation, Activation::square);
  EXPECT_EQ(back.thex->softmax, Softmax::power);
  EXPECT_EQ(back.protocols(), (std::vector{Protocol::one_round, Protocol::masked_rounds}));
  config.activation = Activation::relu;  // parts of different protocols
  EXPECT_TRUE(config.protocols().empty());
  config.thex->softmax = Softmax::estimation;
  EXPECT_EQ(config.protocols(), std::vector{Protocol::the_x});
  for (Softmax softmax : {Softmax::exact, Softmax::estimation, Softmax::power})
    EXPECT_EQ(softmax_named(name_of(softmax)), softmax);
  EXPECT_FALSE(softmax_named("power "));
}

// Version 0.1.0 measured no ranges of single layers and knew one protocol: its models still load, for that one.
TEST(Config, ReadsModelsOfVersion010) {
  json config = minimal();
  config["hidden_act"] = "relu";
  config["thex"] = {{"version", 1},    {"softmax", "estimation"}, {"layer_norm", "affine"},
                    {"pooler", false}, {"max_relu_input", 62.0},  {"max_logit", 4.0}};
  const ModelConfig read = parse_config(config.dump());
  EXPECT_EQ(read.protocols(), std::vector{Protocol::the_x});
  EXPECT_TRUE(read.he_friendly());
  EXPECT_TRUE(read.thex->layers.empty());
  EXPECT_EQ(read.thex->max_relu_input, 62);
  EXPECT_EQ(read.thex->max_logit, 4);
  EXPECT_EQ(read.thex->max_tokens, 128);
}

TEST(ProtocolTable, EveryRowIsFoundByNameAndByItsNonlinearities) {
  for (const ProtocolRow& row : protocols()) {
    EXPECT_EQ(&row_of(row.protocol), &row);
    EXPECT_EQ(protocol_named(row.name), row.protocol);
    const auto found = protocols_for(row.activation, row.softmax, Norm::affine);
    EXPECT_NE(std::ranges::find(found, row.protocol), found.end());
    EXPECT_TRUE(protocols_for(row.activation, row.softmax, Norm::exact).empty());
    EXPECT_EQ(protocols_for(row.activation, row.softmax, Norm::mean_square).empty(), !row.polynomial());
  }
  EXPECT_FALSE(protocol_named("the_x"));
  EXPECT_TRUE(protocols_for(Activation::gelu, Softmax::exact, Norm::affine).empty());
}

// What a head writes, it reads again, under DistilBERT's name of the class too.
TEST(HeadTable, EveryRowIsReadFromItsOwnConfiguration) {
  for (const HeadRow& row : heads()) {
    EXPECT_EQ(&row_of(row.task), &row);
    ModelConfig config;
    config.task = row.task;
    for (std::size_t i = 0; i < row.least_labels; ++i) config.labels.push_back("l" + std::to_string(i));
    const std::string text = config_to_json(config);
    EXPECT_EQ(parse_config(text).task, row.task) << text;
    EXPECT_EQ(parse_config(text).labels, config.labels) << text;
    std::string distilled = text;
    distilled.insert(distilled.find(row.architecture), "Distil");
    EXPECT_EQ(parse_config(distilled).task, row.task) << distilled;
  }
}

TEST(Config, HeFriendlyNeedsEveryReplacement) {
  ModelConfig config;
  config.activation = Activation::relu;
  config.pooler = false;
  config.thex = HeSection{1, Softmax::estimation, Norm::affine, 0, 0};
  EXPECT_TRUE(config.he_friendly());
  ModelConfig other = config;
  other.activation = Activation::gelu;
  EXPECT_FALSE(other.he_friendly());
  other = config;
  other.pooler = true;
  EXPECT_FALSE(other.he_friendly());
  other = config;
  other.thex->softmax = Softmax::exact;
  EXPECT_FALSE(other.he_friendly());
  other = config;
  other.thex->norm = Norm::exact;
  EXPECT_FALSE(other.he_friendly());
  other.thex.reset();
  EXPECT_FALSE(other.he_friendly());
}

TEST(Config, WritesWhatHuggingFaceReads) {
  ModelConfig config;
  config.labels = {"negative", "positive"};
  const json out = json::parse(config_to_json(config));
  EXPECT_EQ(out["architectures"], json::array({"BertForSequenceClassification"}));
  EXPECT_EQ(out["model_type"], "bert");
  EXPECT_EQ(out["hidden_act"], "gelu");
  EXPECT_EQ(out["id2label"], (json{{"0", "negative"}, {"1", "positive"}}));
  EXPECT_EQ(out["label2id"], (json{{"negative", 0}, {"positive", 1}}));
  EXPECT_FALSE(out.contains("thex"));
  config.labels.clear();
  EXPECT_EQ(json::parse(config_to_json(config))["architectures"], json::array({"BertModel"}));
}

TEST(Config, IgnoresWhatItDoesNotKnow) {
  json config = minimal();
  config["transformers_version"] = "4.44.0";
  config["classifier_dropout"] = nullptr;
  config["quantization"] = {{"deep", {{"er", json::array({1, json::object()})}}}};
  config["thex"] = {{"version", 1}, {"notes", "x"}};
  EXPECT_EQ(parse_config(config.dump(), R"({"padding_side":"right","model_max_length":1e30})").layers, 6);
}

TEST(Config, LabelsComeFromHuggingFacesFields) {
  json config = minimal();
  config["architectures"] = {"BertForSequenceClassification"};
  EXPECT_EQ(parse_config(config.dump()).labels, (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
  config["num_labels"] = 3;
  EXPECT_EQ(parse_config(config.dump()).labels.size(), 3u);
  config["id2label"] = {{"1", "b"}, {"0", "a"}};
  EXPECT_EQ(parse_config(config.dump()).labels, (std::vector<std::string>{"a", "b"}));
}

TEST(Config, TasksAreHuggingFaces) {
  json config = minimal();
  config["architectures"] = {"BertForSequenceClassification"};
  EXPECT_EQ(parse_config(config.dump()).task, Task::classification);
  config["num_labels"] = 1;
  EXPECT_EQ(parse_config(config.dump()).task, Task::regression);
  config["num_labels"] = 2;
  config["problem_type"] = "regression";
  EXPECT_NE(error_of(ErrorCode::model, [&] { parse_config(config.dump()); }).find("2 labels"), std::string::npos);
  config["problem_type"] = "multi_label_classification";
  error_of(ErrorCode::model, [&] { parse_config(config.dump()); });
  config["architectures"] = {"BertForTokenClassification"};
  config["problem_type"] = nullptr;
  EXPECT_EQ(parse_config(config.dump()).task, Task::token_classification);
  EXPECT_FALSE(parse_config(config.dump()).pooler);
  config["thex"] = {{"version", 1}, {"pooler", true}};
  error_of(ErrorCode::model, [&] { parse_config(config.dump()); });
  for (const Task task : {Task::classification, Task::regression, Task::token_classification}) {
    ModelConfig written;
    written.task = task;
    written.labels.assign(task == Task::regression ? 1 : 3, "");
    for (std::size_t i = 0; i < written.labels.size(); ++i) written.labels[i] = std::to_string(i);
    EXPECT_EQ(parse_config(config_to_json(written)).task, task);
  }
}

TEST(Config, LayerRangesTravel) {
  ModelConfig config = parse_config(minimal().dump());
  config.thex = HeSection{};
  EXPECT_FALSE(json::parse(config_to_json(config))["thex"].contains("layers"));
  EXPECT_TRUE(parse_config(config_to_json(config)).thex->layers.empty());
  for (int i = 0; i < config.layers; ++i) {
    const double r = 1.5 + i;
    config.thex->layers.push_back(
        {.score = {r, 9},
         .cube = {r + 0.1, 1000},
         .cube_sum = {0, 0},
         .context = {r + 0.2, 15},
         .attention_norm = {r + 0.3, 16},
         .ffn = {r + 0.4, 17},
         .output_norm = {r + 0.5, 18},
         .weights = LayerWeights{.query = r, .output_residual = r + 0.6},
         .sensitivity = LayerSensitivity{.input = r + 0.7, .context = r + 0.9, .attention_sum = r + 0.8}});
  }
  config.thex->embedding_rms = 0.4;
  EXPECT_EQ(parse_config(config_to_json(config)).thex->embedding_rms, 0.4);
  const auto read = parse_config(config_to_json(config)).thex->layers;
  ASSERT_EQ(read.size(), config.thex->layers.size());
  for (std::size_t i = 0; i < read.size(); ++i) {
    const LayerRanges& want = config.thex->layers[i];
    for (const auto member : {&LayerRanges::score, &LayerRanges::cube, &LayerRanges::cube_sum, &LayerRanges::context,
                              &LayerRanges::attention_norm, &LayerRanges::ffn, &LayerRanges::output_norm}) {
      EXPECT_EQ((read[i].*member).rms, (want.*member).rms);
      EXPECT_EQ((read[i].*member).max, (want.*member).max);
    }
    ASSERT_TRUE(read[i].weights && read[i].sensitivity);
    EXPECT_EQ(read[i].weights->query, want.weights->query);
    EXPECT_EQ(read[i].weights->output_residual, want.weights->output_residual);
    EXPECT_EQ(read[i].sensitivity->input, want.sensitivity->input);
    EXPECT_EQ(read[i].sensitivity->context, want.sensitivity->context);
    EXPECT_EQ(read[i].sensitivity->attention_sum, want.sensitivity->attention_sum);
  }
  const json written = json::parse(config_to_json(config));
  const auto refused = [&](const std::function<void(json&)>& change) {
    json bad = written;
    change(bad["thex"]["layers"]);
    return error_of(ErrorCode::model, [&] { parse_config(bad.dump()); });
  };
  EXPECT_NE(refused([](json& l) { l.erase(0); }).find("one entry for each"), std::string::npos);
  EXPECT_NE(refused([](json& l) { l = 3; }).find("is 3"), std::string::npos);
  EXPECT_NE(refused([](json& l) { l[1] = 3; }).find("layer 1"), std::string::npos);
  EXPECT_NE(refused([](json& l) { l[1].erase("ffn"); }).find("\"ffn\" is missing"), std::string::npos);
  EXPECT_NE(refused([](json& l) { l[0]["score"]["max"] = 0.5; }).find("less than rms"), std::string::npos);
  EXPECT_NE(refused([](json& l) { l[0]["score"].erase("rms"); }).find("\"rms\" is missing"), std::string::npos);
  EXPECT_NE(refused([](json& l) { l[0]["score"].erase("max"); }).find("\"max\" is missing"), std::string::npos);
  refused([](json& l) { l[0]["cube"]["rms"] = -1; });
  json earlier = written;
  earlier["thex"]["layers"][0]["sensitivity"].erase("context");
  EXPECT_EQ(parse_config(earlier.dump()).thex->layers[0].sensitivity->context, 0);
  EXPECT_NE(refused([](json& l) { l[0]["sensitivity"].erase("input"); }).find("\"input\" is missing"),
            std::string::npos);
  json without = written;
  for (json& layer : without["thex"]["layers"]) layer.erase("sensitivity"), layer.erase("weights");
  EXPECT_FALSE(parse_config(without.dump()).thex->layers[0].sensitivity) << "earlier models measured none";
}

TEST(Config, OtherArchitecturesAreNamedWithTheReason) {
  for (const char* type :
       {"roberta", "albert", "electra", "deberta-v2", "xlm-roberta", "mpnet", "modernbert", "gpt2"}) {
    const std::string message = rejection("model_type", type);
    EXPECT_NE(message.find(std::string("\"") + type + "\""), std::string::npos) << message;
    EXPECT_NE(message.find("supported are \"bert\" and \"distilbert\""), std::string::npos) << message;
  }
  EXPECT_NE(rejection("model_type", "roberta").find("BPE"), std::string::npos);
  rejection("model_type", 1);
  json config = minimal();
  config.erase("model_type");  // configurations of 2019 have none
  EXPECT_EQ(parse_config(config.dump()).layers, 6);
  config["architectures"] = {"RobertaForSequenceClassification"};
  EXPECT_NE(error_of(ErrorCode::model, [&] { parse_config(config.dump()); }).find("RobertaForSequenceClassification"),
            std::string::npos);
  rejection("auto_map", {{"AutoModel", "code.Model"}});
  rejection("quantization_config", {{"bits", 4}});
  rejection("embedding_size", 128);
  rejection("relative_attention", true);
}

TEST(Config, ReadsADistilBert) {
  const json config{{"model_type", "distilbert"},
                    {"architectures", {"DistilBertForTokenClassification"}},
                    {"n_layers", 6},
                    {"dim", 768},
                    {"n_heads", 12},
                    {"hidden_dim", 3072},
                    {"activation", "gelu"},
                    {"vocab_size", 30522},
                    {"max_position_embeddings", 512}};
  const ModelConfig read = parse_config(config.dump());
  EXPECT_EQ(read.layers, 6);
  EXPECT_EQ(read.hidden, 768);
  EXPECT_EQ(read.heads, 12);
  EXPECT_EQ(read.ffn, 3072);
  EXPECT_EQ(read.type_vocab, 0);
  EXPECT_TRUE(read.pooler_relu);
  EXPECT_EQ(read.task, Task::token_classification);
  const ModelConfig again = parse_config(config_to_json(read));  // as a BERT
  EXPECT_EQ(again.type_vocab, 0);
  EXPECT_TRUE(again.pooler_relu);
  json broken = config;
  broken["dim"] = 770;
  EXPECT_NE(error_of(ErrorCode::model, [&] { parse_config(broken.dump()); }).find("\"n_heads\" is 12"),
            std::string::npos);
  broken.erase("dim");
  EXPECT_NE(error_of(ErrorCode::model, [&] { parse_config(broken.dump()); }).find("\"dim\" is missing"),
            std::string::npos);
}

TEST(Config, ErrorsNameFieldAndValue) {
  for (const char* field : {"num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size",
                            "vocab_size", "max_position_embeddings"}) {
    json config = minimal();
    config.erase(field);
    const std::string message = error_of(ErrorCode::model, [&] { parse_config(config.dump()); });
    EXPECT_NE(message.find(std::string("field \"") + field + "\" is missing"), std::string::npos) << message;
    for (const json& value : {json(0), json(-1), json(1.5), json("2"), json(1e300), json(18446744073709551615u)}) {
      EXPECT_NE(rejection(field, value).find(value.dump().substr(0, 20)), std::string::npos) << value;
    }
  }
  rejection("num_attention_heads", 7);
  EXPECT_NE(rejection("hidden_act", "gelu_new").find("gelu_new"), std::string::npos);
  rejection("hidden_act", 3);
  rejection("model_type", "roberta");
  rejection("position_embedding_type", "relative_key");
  rejection("is_decoder", true);
  rejection("layer_norm_eps", -1e-12);
  rejection("pruned_heads", {{"1", {0}}});
  rejection("id2label", {{"1", "b"}});
  rejection("id2label", {{"0", 7}});
  rejection("id2label", "x");
  he_rejection("version", 2);
  he_rejection("softmax", "bpmax");
  he_rejection("layer_norm", "running");
  he_rejection("pooler", 1);
  he_rejection("max_relu_input", -1);
  he_rejection("max_logit", "big");
  he_rejection("max_tokens", 513);
  he_rejection("max_tokens", 0);
  json config = minimal();
  config["thex"] = 1;
  error_of(ErrorCode::model, [&] { parse_config(config.dump()); });
  error_of(ErrorCode::model, [] { parse_config("[]"); });
  error_of(ErrorCode::model, [] { parse_config(""); });
  error_of(ErrorCode::model, [] { parse_config(R"({"hidden_size":1,"hidden_size":2})"); });
  error_of(ErrorCode::model, [] { parse_config(R"({"hidden_size":1e999})"); });
  error_of(ErrorCode::model, [] { parse_config("{\"a\xff\":1}"); });
  error_of(ErrorCode::model, [] { parse_config(minimal().dump(), R"({"do_lower_case":"yes"})"); });
  error_of(ErrorCode::model, [] { parse_config(minimal().dump(), R"({"strip_accents":false})"); });
}

TEST(Config, LoadNamesTheFolder) {
  const support::TemporaryFolder folder;
  const std::string name = folder.path().string();
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_config(folder.path()); }).find("no config.json"), std::string::npos);
  write_file_atomically(folder.path() / "config.json", minimal().dump());
  EXPECT_TRUE(load_config(folder.path()).do_lower_case);
  write_file_atomically(folder.path() / "tokenizer_config.json", std::string_view(R"({"do_lower_case":false})"));
  EXPECT_FALSE(load_config(folder.path()).do_lower_case);
  write_file_atomically(folder.path() / "config.json", std::string_view("{}"));
  EXPECT_NE(error_of(ErrorCode::model, [&] { load_config(folder.path()); }).find(name), std::string::npos);
}

}  // namespace
}  // namespace thex::model

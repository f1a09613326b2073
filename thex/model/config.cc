#include "thex/model/config.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <type_traits>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/file_format.h"
#include "thex/base/json.h"
#include "thex/model/fields.h"
#include "thex/model/tokenizer_settings.h"

namespace thex::model {
namespace {

// In the order of the enumerations.
const std::vector<std::string> kActivationNames{"gelu", "relu", "square"};

using nlohmann::json;

constexpr std::uint64_t kMaxConfigBytes = 1u << 20;
constexpr int kMaxDepth = 16;
constexpr std::size_t kMaxLabelBytes = 1000;
// Names of the fields that the two supported architectures call differently.
struct FieldNames {
  const char *layers, *hidden, *heads, *ffn, *activation;
};
constexpr FieldNames kBertNames{"num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size",
                                "hidden_act"};
constexpr FieldNames kDistilBertNames{"n_layers", "dim", "n_heads", "hidden_dim", "activation"};

// Why a model of the BERT family is not one of the two.
struct OtherArchitecture {
  std::string_view model_type, why;
};
constexpr OtherArchitecture kOtherArchitectures[] = {
    {"albert", "its layers share weights and its embeddings are factorized"},
    {"camembert", "it is a RoBERTa, with a SentencePiece vocabulary"},
    {"convbert", "its attention has convolutions"},
    {"deberta", "its attention uses relative positions"},
    {"deberta-v2", "its attention uses relative positions"},
    {"electra", "its classifier and its embeddings differ from BERT's"},
    {"longformer", "its attention is sparse"},
    {"mobilebert", "its layers have bottlenecks"},
    {"modernbert", "it has rotary positions and gated feed-forward layers"},
    {"mpnet", "its attention uses relative positions"},
    {"nomic_bert", "it has rotary positions and gated feed-forward layers"},
    {"roberta", "it has a byte-level BPE vocabulary and counts positions from 2"},
    {"xlm-roberta", "it has a SentencePiece vocabulary and counts positions from 2"}};

// The points of a layer under their names in config.json.
struct LayerPoint {
  const char* name;
  Range LayerRanges::*range;
  bool needed_always = true;  // else with Norm::mean_square alone
};
constexpr LayerPoint kLayerPoints[] = {{"score", &LayerRanges::score},
                                       {"cube", &LayerRanges::cube},
                                       {"cube_sum", &LayerRanges::cube_sum},
                                       {"context", &LayerRanges::context},
                                       {"attention_sum", &LayerRanges::attention_sum, false},
                                       {"attention_norm", &LayerRanges::attention_norm},
                                       {"ffn", &LayerRanges::ffn},
                                       {"output_norm", &LayerRanges::output_norm}};

// Weights and sensitivities of a layer likewise.
constexpr std::pair<const char*, double LayerWeights::*> kLayerWeights[] = {
    {"query", &LayerWeights::query},
    {"key", &LayerWeights::key},
    {"value", &LayerWeights::value},
    {"attention_output", &LayerWeights::attention_output},
    {"attention_residual", &LayerWeights::attention_residual},
    {"intermediate", &LayerWeights::intermediate},
    {"output", &LayerWeights::output},
    {"output_residual", &LayerWeights::output_residual}};
constexpr std::pair<const char*, double LayerSensitivity::*> kLayerSensitivity[] = {
    {"input", &LayerSensitivity::input},
    {"context", &LayerSensitivity::context},
    {"attention_sum", &LayerSensitivity::attention_sum}};
constexpr std::string_view kNotAlwaysMeasured = "context";

// A group of numbers of a layer that may be missing as a whole.
template <typename Sizes, std::size_t n>
std::optional<Sizes> parse_sizes(const Fields& entry, const std::string& where, const char* group,
                                 const std::pair<const char*, double Sizes::*> (&members)[n]) {
  const json* const found = entry.find(group);
  if (found == nullptr) return std::nullopt;
  const Fields values(*found, where + ", \"" + group + "\"");
  Sizes sizes;
  for (const auto& [name, member] : members) {
    sizes.*member = values.number(name, 0, 1e30, -1);
    if (sizes.*member < 0 && name == kNotAlwaysMeasured) sizes.*member = 0;
    if (sizes.*member < 0) values.fail(name, "is missing");
  }
  return sizes;
}

std::vector<LayerRanges> parse_layer_ranges(const Fields& he, int layers, Norm norm) {
  const json* const list = he.find("layers");
  if (list == nullptr) return {};
  if (!list->is_array() || list->size() != static_cast<std::size_t>(layers)) {
    he.fail("layers", (list->is_array() ? "has " + std::to_string(list->size()) + " entries" : "is " + show(*list)) +
                          ", expected a list with one entry for each of the " + std::to_string(layers) + " layers");
  }
  std::vector<LayerRanges> all(list->size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string where = "config.json, section \"thex\", layer " + std::to_string(i);
    const Fields entry((*list)[i], where);
    for (const auto& [name, member, needed_always] : kLayerPoints) {
      const json* const point = entry.find(name);
      if (point == nullptr && !needed_always && norm != Norm::mean_square) continue;
      if (point == nullptr) entry.fail(name, "is missing");
      const Fields values(*point, where + ", \"" + name + "\"");
      Range& range = all[i].*member;
      range.rms = values.number("rms", 0, 1e30, -1);
      range.max = values.number("max", 0, 1e30, -1);
      if (range.rms < 0) values.fail("rms", "is missing");
      if (range.max < range.rms) {
        values.fail("max", range.max < 0
                               ? "is missing"
                               : "is " + json(range.max).dump() + ", less than rms " + json(range.rms).dump());
      }
    }
    all[i].weights = parse_sizes(entry, where, "weights", kLayerWeights);
    all[i].sensitivity = parse_sizes(entry, where, "sensitivity", kLayerSensitivity);
  }
  return all;
}

bool has_architecture(const Fields& fields, const std::string& wanted) {
  const json* const architectures = fields.find("architectures");
  return architectures && architectures->is_array() &&
         std::any_of(architectures->begin(), architectures->end(), [&](const json& name) { return name == wanted; });
}

// Whether the field names the class of a head, under BERT's name or DistilBERT's.
bool has_head(const Fields& fields, const HeadRow& head) {
  return has_architecture(fields, head.architecture) ||
         has_architecture(fields, std::string("Distil") + head.architecture);
}

Task parse_task(const Fields& fields, std::size_t labels) {
  if (has_head(fields, row_of(Task::token_classification))) return Task::token_classification;
  const std::size_t type =
      fields.choice("problem_type", {row_of(Task::classification).problem_type, row_of(Task::regression).problem_type},
                    labels == 1 ? 1 : 0);
  if (type == 0) return Task::classification;
  if (labels > 1)
    fields.fail("problem_type", "is \"regression\" with " + std::to_string(labels) + " labels, expected one");
  return labels == 1 ? Task::regression : Task::classification;
}

std::vector<std::string> parse_labels(const Fields& fields) {
  const json* map = fields.find("id2label");
  if (map == nullptr) {
    const bool head =
        std::any_of(heads().begin(), heads().end(), [&](const HeadRow& row) { return has_head(fields, row); });
    const int count = fields.integer("num_labels", 0, static_cast<int>(kMaxListedLabels), head ? 2 : 0);
    std::vector<std::string> labels;
    for (int i = 0; i < count; ++i) labels.push_back("LABEL_" + std::to_string(i));
    return labels;
  }
  if (!map->is_object() || map->size() > kMaxListedLabels)
    fields.fail("id2label", "is not an object with string values");
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < map->size(); ++i) {
    const auto it = map->find(std::to_string(i));
    if (it == map->end()) fields.fail("id2label", "has no label " + std::to_string(i) + "; ids must count from 0");
    if (!it->is_string() || it->get_ref<const std::string&>().size() > kMaxLabelBytes) {
      fields.fail("id2label", "has " + show(*it) + " for id " + std::to_string(i) + ", expected a short string");
    }
    labels.push_back(it->get<std::string>());
  }
  return labels;
}

// True for DistilBERT, false for BERT. Without a model_type the class that saved the model decides.
bool parse_architecture(const Fields& fields) {
  const std::string supported = "supported are \"bert\" and \"distilbert\"";
  if (const json* const type = fields.find("model_type")) {
    if (*type == "bert" || *type == "distilbert") return *type == "distilbert";
    std::string why;
    for (const OtherArchitecture& other : kOtherArchitectures) {
      if (*type == std::string(other.model_type)) why = " (" + std::string(other.why) + ")";
    }
    fields.fail("model_type", "is " + show(*type) + why + "; " + supported);
  }
  const json* const architectures = fields.find("architectures");
  if (architectures == nullptr || !architectures->is_array() || architectures->empty()) return false;
  const json& first = architectures->front();
  const std::string name = first.is_string() ? first.get<std::string>() : "";
  if (!name.starts_with("Bert") && !name.starts_with("DistilBert")) {
    fields.fail("architectures", "is " + show(*architectures) + " and model_type is missing; " + supported);
  }
  return name.starts_with("DistilBert");
}

// Options that change the computation and have one supported value.
void refuse_unsupported(const Fields& fields, int hidden) {
  fields.choice("position_embedding_type", {"absolute"}, 0);
  for (const char* name : {"is_decoder", "add_cross_attention", "is_encoder_decoder"}) {
    if (fields.boolean(name, false)) fields.fail(name, "is true; only encoders are supported");
  }
  if (fields.boolean("relative_attention", false)) fields.fail("relative_attention", "is true; supported: false");
  if (const json* pruned = fields.find("pruned_heads"); pruned && !pruned->empty()) {
    fields.fail("pruned_heads", "is " + show(*pruned) + "; pruned models are not supported");
  }
  if (const json* code = fields.find("auto_map")) {
    fields.fail("auto_map", "is " + show(*code) + "; models with code of their own are not supported");
  }
  if (const json* quantization = fields.find("quantization_config")) {
    fields.fail("quantization_config", "is " + show(*quantization) + "; save the model with float weights");
  }
  if (fields.integer("embedding_size", 1, 16384, hidden) != hidden) {
    fields.fail("embedding_size",
                "is " + show(*fields.find("embedding_size")) + ", expected hidden_size " + std::to_string(hidden));
  }
}

void apply(const TokenizerSettings& settings, ModelConfig& config) {
  config.do_lower_case = lower_case_of(settings);
  for (const auto& [token, named] : settings.tokens) {
    if (!is_standard_token(token)) config.special_tokens.insert(token);
  }
}

// id2label and label2id. An ordered object looks through all its members for a key, so members are appended; of two
// equal labels the last one's id counts.
void add_labels(const std::vector<std::string>& labels, nlohmann::ordered_json& out) {
  nlohmann::ordered_json::object_t id2label, label2id;
  std::map<std::string, std::size_t> last;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    id2label.push_back({std::to_string(i), labels[i]});
    last[labels[i]] = i;
  }
  std::set<std::string> seen;
  for (const std::string& label : labels) {
    if (seen.insert(label).second) label2id.push_back({label, last.at(label)});
  }
  out["id2label"] = std::move(id2label);
  out["label2id"] = std::move(label2id);
}

}  // namespace

std::vector<Protocol> ModelConfig::protocols() const {
  if (pooler || !thex) return {};
  return protocols_for(activation, thex->softmax, thex->norm);
}

void require_pairs(const ModelConfig& config) {
  if (config.type_vocab != 1) return;
  throw Error(
      ErrorCode::model,
      "config.json: field \"type_vocab_size\" is 1; the second text of a pair needs a token type of its own, so "
      "that this model takes single texts only");
}

ModelConfig parse_config(const std::string& config_json, const std::string& tokenizer_config_json) {
  const json object = parse_json(config_json, "config.json", kMaxDepth);
  const Fields fields(object, "config.json");
  const bool distilled = parse_architecture(fields);
  const FieldNames& names = distilled ? kDistilBertNames : kBertNames;
  ModelConfig config;
  config.layers = fields.integer(names.layers, 1, 256);
  config.hidden = fields.integer(names.hidden, 1, 16384);
  refuse_unsupported(fields, config.hidden);
  check_tokenizer_class(fields);
  config.heads = fields.integer(names.heads, 1, 1024);
  if (config.hidden % config.heads != 0) {
    fields.fail(names.heads, "is " + std::to_string(config.heads) + ", which does not divide " + names.hidden + " " +
                                 std::to_string(config.hidden));
  }
  config.ffn = fields.integer(names.ffn, 1, 65536);
  config.vocab = fields.integer("vocab_size", 1, 1 << 22);
  config.max_positions = fields.integer("max_position_embeddings", 3, 1 << 16);
  config.type_vocab = fields.integer("type_vocab_size", 0, 256, distilled ? 0 : 2);
  config.layer_norm_eps = fields.number("layer_norm_eps", 0, 1, 1e-12);
  config.activation = static_cast<Activation>(fields.choice(names.activation, kActivationNames, 0));
  config.pooler_relu = fields.choice("pooler_activation", {"tanh", "relu"}, distilled ? 1 : 0) == 1;
  config.labels = parse_labels(fields);
  config.task = parse_task(fields, config.labels.size());
  if (by_token(config.task)) config.pooler = false;
  if (const json* section = fields.find("thex")) {
    const Fields he(*section, "config.json, section \"thex\"");
    HeSection parsed;
    parsed.version = he.integer("version", 1, 1);
    parsed.softmax = static_cast<Softmax>(he.choice("softmax", softmax_names(), 0));
    parsed.norm = static_cast<Norm>(he.choice("layer_norm", norm_names(), 0));
    parsed.max_relu_input = he.number("max_relu_input", 0, 1e30, 0);
    parsed.max_logit = he.number("max_logit", 0, 1e30, 0);
    parsed.max_tokens = static_cast<int>(he.integer("max_tokens", 1, 512, parsed.max_tokens));
    parsed.embedding_rms = he.number("embedding_rms", 0, 1e30, 0);
    parsed.layers = parse_layer_ranges(he, config.layers, parsed.norm);
    config.pooler = he.boolean("pooler", config.pooler);
    if (config.pooler && by_token(config.task)) {
      he.fail("pooler", "is true, but token classifiers have no pooler");
    }
    config.thex = parsed;
  }
  TokenizerSettings settings;
  parse_tokenizer_config(tokenizer_config_json, settings);
  apply(settings, config);
  return config;
}

ModelConfig load_config(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) {
    throw Error(ErrorCode::model, folder.string() + " is not a model folder: it has no config.json");
  }
  const std::string text = read_file(path, kMaxConfigBytes);
  refuse_foreign_format(path, text);
  const TokenizerSettings settings = read_tokenizer_settings(folder);
  try {
    ModelConfig config = parse_config(text);
    apply(settings, config);
    return config;
  } catch (const Error& e) {
    throw Error(e.code(), folder.string() + "/" + e.what());
  }
}

std::string config_to_json(const ModelConfig& config) {
  nlohmann::ordered_json out;
  const bool head = !config.labels.empty();
  const HeadRow& row = row_of(config.task);
  out["architectures"] = {head ? row.architecture : "BertModel"};
  out["model_type"] = "bert";
  out["num_hidden_layers"] = config.layers;
  out["hidden_size"] = config.hidden;
  out["num_attention_heads"] = config.heads;
  out["intermediate_size"] = config.ffn;
  out["hidden_act"] = kActivationNames[static_cast<std::size_t>(config.activation)];
  if (config.pooler_relu) out["pooler_activation"] = "relu";
  out["layer_norm_eps"] = config.layer_norm_eps;
  out["max_position_embeddings"] = config.max_positions;
  out["type_vocab_size"] = config.type_vocab;
  out["vocab_size"] = config.vocab;
  out["pad_token_id"] = 0;
  out["position_embedding_type"] = "absolute";
  if (head) {
    if (row.problem_type) out["problem_type"] = row.problem_type;
    add_labels(config.labels, out);
  }
  if (config.thex) {
    out["thex"] = {{"version", config.thex->version},
                   {"softmax", name_of(config.thex->softmax)},
                   {"layer_norm", name_of(config.thex->norm)},
                   {"pooler", config.pooler},
                   {"max_relu_input", config.thex->max_relu_input},
                   {"max_logit", config.thex->max_logit}};
    if (config.thex->max_tokens != HeSection{}.max_tokens) out["thex"]["max_tokens"] = config.thex->max_tokens;
    if (config.thex->embedding_rms > 0) out["thex"]["embedding_rms"] = config.thex->embedding_rms;
    for (const LayerRanges& layer : config.thex->layers) {
      nlohmann::ordered_json entry;
      for (const auto& [name, member, needed_always] : kLayerPoints)
        if (needed_always || config.thex->norm == Norm::mean_square)
          entry[name] = {{"rms", (layer.*member).rms}, {"max", (layer.*member).max}};
      if (layer.weights)
        for (const auto& [name, member] : kLayerWeights) entry["weights"][name] = (*layer.weights).*member;
      if (layer.sensitivity)
        for (const auto& [name, member] : kLayerSensitivity) entry["sensitivity"][name] = (*layer.sensitivity).*member;
      out["thex"]["layers"].push_back(std::move(entry));
    }
  }
  return out.dump(2) + "\n";
}

std::string tokenizer_config_to_json(const ModelConfig& config) {
  nlohmann::ordered_json out{{"tokenizer_class", "BertTokenizer"},
                             {"do_lower_case", config.do_lower_case},
                             {"strip_accents", nullptr},
                             {"tokenize_chinese_chars", true},
                             {"model_max_length", config.max_positions}};
  if (!config.special_tokens.empty()) out["additional_special_tokens"] = config.special_tokens;
  return out.dump(2) + "\n";
}

}  // namespace thex::model

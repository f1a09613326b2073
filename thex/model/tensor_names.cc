#include "thex/model/tensor_names.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "thex/base/error.h"
#include "thex/base/json.h"

namespace thex::model {
namespace {

// What torch puts into the names of a module that it wraps: DataParallel, torch.compile, FSDP, activation checkpoints.
constexpr std::string_view kWrappers[] = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"};

// Tensors that every encoder has; what stands before them is the prefix of the whole model.
constexpr std::string_view kAnchors[] = {
    "bert.embeddings.word_embeddings.weight",      "distilbert.embeddings.word_embeddings.weight",
    "embeddings.word_embeddings.weight",           "bert.encoder.layer.0.attention.self.query.weight",
    "encoder.layer.0.attention.self.query.weight", "distilbert.transformer.layer.0.attention.q_lin.weight",
    "transformer.layer.0.attention.q_lin.weight"};

// DistilBERT's names of a layer's parts, and BERT's.
constexpr std::pair<std::string_view, std::string_view> kDistilParts[] = {
    {"attention.q_lin.", "attention.self.query."},
    {"attention.k_lin.", "attention.self.key."},
    {"attention.v_lin.", "attention.self.value."},
    {"attention.out_lin.", "attention.output.dense."},
    {"sa_layer_norm.", "attention.output.LayerNorm."},
    {"ffn.lin1.", "intermediate.dense."},
    {"ffn.lin2.", "output.dense."},
    {"output_layer_norm.", "output.LayerNorm."}};

// BERT's name for a tensor of DistilBERT.
std::string translate(const std::string& name) {
  constexpr std::string_view kLayers = "transformer.layer.", kBeforeClassifier = "pre_classifier.";
  if (name.starts_with(kBeforeClassifier)) return "pooler.dense." + name.substr(kBeforeClassifier.size());
  if (!name.starts_with(kLayers)) return name;
  const std::size_t dot = name.find('.', kLayers.size());
  if (dot == std::string::npos) return name;
  const std::string_view part = std::string_view(name).substr(dot + 1);
  for (const auto& [theirs, ours] : kDistilParts) {
    if (!part.starts_with(theirs)) continue;
    return "encoder.layer." + name.substr(kLayers.size(), dot + 1 - kLayers.size()) + std::string(ours) +
           std::string(part.substr(theirs.size()));
  }
  return name;
}

// The name without "bert." or "distilbert.", with DistilBERT's names and those that older checkpoints give to
// LayerNorm's parameters put right.
std::string canonical_name(const std::string& name) {
  std::string result = name.starts_with("bert.")         ? name.substr(5)
                       : name.starts_with("distilbert.") ? name.substr(11)
                                                         : name;
  result = translate(result);
  const auto replace_end = [&result](std::string_view old_end, std::string_view new_end) {
    if (result.ends_with(old_end)) result.replace(result.size() - old_end.size(), old_end.size(), new_end);
  };
  replace_end("LayerNorm.gamma", "LayerNorm.weight");
  replace_end("LayerNorm.beta", "LayerNorm.bias");
  return result;
}

bool is_model_tensor(const std::string& canonical) {
  // position_ids is a constant buffer 0, 1, 2, ... that some checkpoints carry.
  if (canonical == "embeddings.position_ids") return false;
  constexpr std::string_view kBeginnings[] = {"embeddings.", "encoder.layer.", "pooler.", "classifier."};
  return std::any_of(std::begin(kBeginnings), std::end(kBeginnings),
                     [&](std::string_view beginning) { return canonical.starts_with(beginning); });
}

// "module.bert._orig_mod.embeddings.x" is "bert.embeddings.x".
std::string unwrapped(std::string_view name) {
  std::string result;
  while (!name.empty()) {
    const std::size_t dot = name.find('.');
    const std::string_view part = name.substr(0, dot);
    const bool last = dot == std::string_view::npos;
    if (last || std::find(std::begin(kWrappers), std::end(kWrappers), part) == std::end(kWrappers))
      result.append(name.substr(0, last ? name.size() : dot + 1));
    name.remove_prefix(last ? name.size() : dot + 1);
  }
  return result;
}

// What stands before the encoder in a name that ends with one of the anchors; the longest anchor counts.
void add_prefix(std::string_view name, std::set<std::string>& prefixes) {
  for (const std::string_view anchor : kAnchors) {
    if (!name.ends_with(anchor)) continue;
    const std::string_view before = name.substr(0, name.size() - anchor.size());
    if (before.empty() || before.ends_with('.')) {
      prefixes.emplace(before);
      return;
    }
  }
}

// The prefix that all tensors of the model share.
std::string common_prefix(const std::set<std::string>& prefixes) {
  if (prefixes.size() < 2) return prefixes.empty() ? "" : *prefixes.begin();
  std::string list;
  for (const std::string& prefix : prefixes) {
    if (list.size() > 200) {
      list += ", ...";
      break;
    }
    list += (list.empty() ? "" : ", ") + (prefix.empty() ? "no prefix" : in_quotes(prefix));
  }
  throw Error(ErrorCode::model,
              "its tensors are those of several encoders, behind " + list + ": save the one that is meant by itself");
}

}  // namespace

TensorNames canonical_names(const std::vector<std::string>& names) {
  std::set<std::string> prefixes;
  for (const std::string& name : names) add_prefix(unwrapped(name), prefixes);
  TensorNames result{.prefix = common_prefix(prefixes)};
  std::string wrapper;
  for (const std::string& name : names) {
    const std::string bare = unwrapped(name);
    const bool behind = bare.starts_with(result.prefix);
    const std::string canonical = canonical_name(behind ? bare.substr(result.prefix.size()) : bare);
    if (!is_model_tensor(canonical)) continue;
    if (!behind) {
      throw Error(ErrorCode::model, "tensor " + in_quotes(name) + " does not begin with " + in_quotes(result.prefix) +
                                        " as the encoder's do: save encoder and head as one model");
    }
    if (bare != name && wrapper.empty()) wrapper = name;
    const auto [it, added] = result.stored.emplace(canonical, name);
    if (!added) {
      throw Error(ErrorCode::model, "tensor \"" + canonical + "\" is there twice, as " + in_quotes(it->second) +
                                        " and as " + in_quotes(name));
    }
  }
  // What messages show: the beginning of the first wrapped name that differs from its bare form.
  if (!wrapper.empty()) {
    const std::string bare = unwrapped(wrapper);
    const std::string inner = bare.substr(result.prefix.size());
    result.prefix = wrapper.ends_with(inner) ? wrapper.substr(0, wrapper.size() - inner.size())
                                             : wrapper.substr(0, wrapper.find('.') + 1);
  }
  return result;
}

}  // namespace thex::model

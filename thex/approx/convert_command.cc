// `thex-convert MODEL_DIR`: the THE-X workflow on a plain model folder.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "thex/approx/augment.h"
#include "thex/approx/convert_cli.h"
#include "thex/approx/stages.h"
#include "thex/approx/verify.h"
#include "thex/base/error.h"

namespace thex::approx {
namespace {

nlohmann::ordered_json report_of(const WorkflowResult& r, const CommonArguments& a, const TaskData& data,
                                 const WorkflowOptions& o) {
  nlohmann::ordered_json j;
  j["seed"] = a.seed;
  j["examples"] = {{"train", data.split.train.size()},
                   {"held_out", data.split.held_out.size()},
                   {"held_out_long", data.split.held_out_long},
                   {"dropped_as_overlapping", data.split.dropped},
                   {"dev", data.dev.size()}};
  j["options"] = {{"epochs", o.epochs},
                  {"norm_epochs", o.norm_epochs},
                  {"final_epochs", o.final_epochs},
                  {"rate", o.learning_rate},
                  {"embedding_rate", o.embedding_rate},
                  {"batch", o.batch_size},
                  {"hard", o.hard},
                  {"temperature", o.temperature},
                  {"dropout", o.dropout},
                  {"word_dropout", o.word_dropout},
                  {"length_power", o.length_power},
                  {"score_limit", o.score_limit},
                  {"ffn_limit", o.ffn_limit},
                  {"hidden_limit", o.hidden_limit},
                  {"range_weight", o.range_weight}};
  for (const StageRow& s : r.stages)
    j["stages"].push_back({{"name", s.name},
                           {"what", s.what},
                           {"dev_accuracy", s.dev.accuracy},
                           {"held_out_accuracy", s.held_out.accuracy},
                           {"held_out_long_accuracy", s.held_out.accuracy_long}});
  const EstimationReport& e = r.estimation_report;
  j["softmax_estimation"] = {{"min_sum", r.estimation.min_sum},
                             {"max_sum", r.estimation.max_sum},
                             {"mse_true_softmax", e.mse_true_softmax},
                             {"mse_exact_reciprocal", e.mse_exact_reciprocal},
                             {"mse_reciprocal_part", e.mse_reciprocal_part},
                             {"worst_relative_error", e.worst_relative}};
  const Ranges& g = r.ranges;
  j["ranges"] = {{"max_relu_input", g.max_relu_input()},
                 {"score_u", g.u},
                 {"t1", g.t1},
                 {"t2", g.t2},
                 {"ffn", g.ffn},
                 {"logit", g.logit},
                 {"cube", g.cube},
                 {"sum", g.sum},
                 {"min_sum", g.min_sum},
                 {"context", g.context},
                 {"hidden", g.hidden}};
  return j;
}

void print_table(const WorkflowResult& r) {
  std::fprintf(stderr, "\n%-20s %8s %9s %9s  %s\n", "stage", "dev %", "held-out", "long", "what");
  for (const StageRow& s : r.stages)
    std::fprintf(stderr, "%-20s %8.2f %9.2f %9.2f  %s\n", s.name.c_str(), s.dev.accuracy, s.held_out.accuracy,
                 s.held_out.accuracy_long, s.what.c_str());
  const Ranges& g = r.ranges;
  std::fprintf(stderr,
               "\nranges: u %.2f, T %.1f and %.1f, FFN %.1f, logits %.2f; cubes %.1f, sums %.3g..%.1f, P.V %.2f, "
               "hidden %.1f; max_relu_input %.1f\n",
               g.u, g.t1, g.t2, g.ffn, g.logit, g.cube, g.min_sum, g.sum, g.context, g.hidden, g.max_relu_input());
}

}  // namespace

int run_convert(int argc, char** argv) {
  CLI::App app{"Turns a fine-tuned BERT-family classifier into an HE-friendly one (THE-X)", "thex-convert"};
  app.footer("thex-convert make-plain --help: a small plain model distilled from a larger encoder");
  CommonArguments a;
  WorkflowOptions o;
  std::filesystem::path folder, teacher_folder;
  app.add_option("MODEL_DIR", folder, "Plain model: config.json, model.safetensors, vocab.txt")->required();
  add_common_arguments(app, a);
  app.add_option("--teacher", teacher_folder,
                 "A larger fine-tuned model with the same vocabulary to distil from (default: MODEL_DIR)");
  app.add_option("--epochs", o.epochs, "Epochs of each fine-tuning stage")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--norm-epochs", o.norm_epochs, "Epochs after each replaced LayerNorm")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--final-epochs", o.final_epochs)->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--rate", o.learning_rate, "Learning rate")->capture_default_str();
  app.add_option("--embedding-rate", o.embedding_rate, "Of the word embeddings; 0 freezes them")->capture_default_str();
  app.add_option("--batch", o.batch_size)->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--hard", o.hard, "Share of the hard labels in the loss")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--temperature", o.temperature)->capture_default_str();
  app.add_option("--dropout", o.dropout)->capture_default_str();
  app.add_option("--word-dropout", o.word_dropout)->capture_default_str();
  app.add_option("--length-power", o.length_power, "Weight of long examples: (length/mean)^power")
      ->capture_default_str();
  app.add_option("--score-limit", o.score_limit, "Penalise |score/2+1| beyond this")->capture_default_str();
  app.add_option("--ffn-limit", o.ffn_limit)->capture_default_str();
  app.add_option("--hidden-limit", o.hidden_limit)->capture_default_str();
  app.add_option("--range-weight", o.range_weight, "Weight of the range penalties")->capture_default_str();
  std::size_t variants = 0;
  app.add_option("--augment", variants, "Variants of training examples for the teacher to label, see augment.h")
      ->capture_default_str();
  if (const int status = parse(app, argc, argv); status >= 0) return status;

  const Log log = make_log(a.quiet);
  const torch::Device device = prepare(a);
  if (a.work.empty()) a.work = a.out.string() + ".work";
  const bert::Model model = bert::load_model(folder);
  if (model.config.thex)
    throw Error(ErrorCode::model, "'" + folder.string() + "' is converted already (config.json has a thex section)");
  if (model.config.labels.empty())
    throw Error(ErrorCode::model, "'" + folder.string() + "' has no classification head (no id2label)");
  o.seed = a.seed;
  a.max_length = std::min(a.max_length, model.config.max_positions);
  const auto vocab = folder / "vocab.txt";
  const int labels = static_cast<int>(model.config.labels.size());
  TaskData data = load_task(a, vocab, model.config.do_lower_case, labels, log);
  const std::filesystem::path& teacher_from = teacher_folder.empty() ? folder : teacher_folder;
  const CheckpointStore store(
      a.work, fingerprint_of_text(fingerprint_of_file(a.train) + fingerprint_of_file(folder / "model.safetensors") +
                                  fingerprint_of_file(teacher_from / "model.safetensors") + std::to_string(a.held_out) +
                                  "/" + std::to_string(a.max_length) + "/" + std::to_string(a.seed) + "/" +
                                  std::to_string(variants)));
  const EncoderModule plain(model, device);
  if (variants > 0) {
    AugmentOptions more;
    more.count = variants;
    more.seed = a.seed + 1;
    more.max_length = static_cast<std::size_t>(a.max_length);
    const DataSet extra = augment(data.split.train, plain.params.at("embeddings.word_embeddings.weight"),
                                  replaceable_words(bert::Tokenizer::load(vocab, model.config.do_lower_case)), more);
    data.split.train.insert(data.split.train.end(), extra.begin(), extra.end());
  }
  torch::Tensor logits;
  if (auto saved = store.load_table("teacher-logits")) {
    logits = *saved;
  } else {
    if (teacher_folder.empty()) {
      logits = all_logits(plain, data.split.train, log);
    } else {
      const bert::Model teacher = bert::load_model(teacher_folder);
      if (static_cast<int>(teacher.config.labels.size()) != labels || teacher.config.vocab != model.config.vocab)
        throw Error(ErrorCode::model,
                    "the teacher '" + teacher_folder.string() + "' has other labels or another vocabulary size");
      logits = all_logits(EncoderModule(teacher, device), data.split.train, log);
    }
    store.save_table("teacher-logits", logits);
  }
  const WorkflowResult result = run_workflow(plain, logits, data.split, data.dev, a.max_length, o, store, log);
  bert::Model out = result.module.to_model();
  if (!out.config.he_friendly()) throw Error(ErrorCode::internal, "the converted model is not HE-friendly");
  out.config.thex->max_relu_input = result.ranges.max_relu_input();
  out.config.thex->max_logit = result.ranges.logit;
  print_table(result);
  const Agreement agreement = compare_with_reference(result.module, out, data.dev);
  char line[160];
  std::snprintf(line, sizeof line, "reference in double precision: dev %.2f %%, largest difference of a logit %.1e",
                agreement.accuracy, agreement.largest_difference);
  log(line);
  if (!(agreement.largest_difference < 1e-2))
    throw Error(ErrorCode::internal, std::string("the exported model does not compute what was trained; ") + line);
  nlohmann::ordered_json report = report_of(result, a, data, o);
  report["augmented_examples"] = variants;
  report["reference"] = {{"dev_accuracy", agreement.accuracy},
                         {"largest_logit_difference", agreement.largest_difference}};
  write_model_folder(out, vocab, a.out, report.dump(2) + "\n", bert::Dtype::f16);
  log("wrote " + a.out.string());
  return 0;
}

}  // namespace thex::approx

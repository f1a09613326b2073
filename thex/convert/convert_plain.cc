// `thex-convert make-plain`: a plain BERT-tiny-shaped classifier, distilled from a larger encoder.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "thex/base/error.h"
#include "thex/convert/augment.h"
#include "thex/convert/convert_cli.h"
#include "thex/convert/plain_model.h"
#include "thex/model/tokenizer_files.h"

namespace thex::convert {

namespace {

void make_quick(PlainOptions& o) {
  o.teacher.max_steps = 100;
  o.student_epochs = 1;
  o.max_steps = 300;
}

}  // namespace

int run_make_plain(int argc, char** argv) {
  CLI::App app{"Makes a plain BERT-tiny-shaped model of a task: fine-tunes a larger encoder and distils it",
               "thex-convert make-plain"};
  CommonArguments a;
  std::filesystem::path backbone_folder, teacher_folder, start_folder;
  PlainOptions o;
  o.student.max_positions = 128;
  o.student_batch = 0;
  o.teacher.fresh_pooler = true;
  bool labels_only = false;
  app.add_option("BACKBONE_DIR", backbone_folder, "Pre-trained BERT-family encoder with embeddings")->required();
  add_common_arguments(app, a);
  app.add_option("--layers", o.student.layers)->check(CLI::Range(1, 48))->capture_default_str();
  app.add_option("--hidden", o.student.hidden)->check(CLI::Range(1, 16384))->capture_default_str();
  app.add_option("--heads", o.student.heads)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--ffn", o.student.ffn)->check(CLI::Range(1, 65536))->capture_default_str();
  app.add_option("--epochs", o.student_epochs, "Epochs of the student (default: as many as make --min-steps)");
  app.add_option("--min-steps", o.min_steps, "Steps of the student, at least, but 60 epochs at most")
      ->check(CLI::Range(1, 10000000))
      ->capture_default_str();
  app.add_option("--patience", o.patience, "Epochs without a better held-out score that end it; 0: none do")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  app.add_option("--rate", o.student_rate, "Learning rate of the student")->capture_default_str();
  app.add_option("--embedding-rate", o.student_embedding_rate)->capture_default_str();
  app.add_option("--batch", o.student_batch, "Examples a step (default: 64, 32 below 20,000 examples)")
      ->check(CLI::Range(1, 4096));
  app.add_option("--dropout", o.dropout)->capture_default_str();
  app.add_option("--word-dropout", o.word_dropout)->capture_default_str();
  app.add_option("--length-power", o.length_power)->capture_default_str();
  app.add_option("--hard", o.hard, "Share of the labels in the student's loss")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--temperature", o.temperature)->capture_default_str();
  app.add_option("--teacher-epochs", o.teacher.epochs, "Default: as many as make 400 steps, 10 at most");
  app.add_option("--teacher-rate", o.teacher.rate)->capture_default_str();
  app.add_option("--teacher-batch", o.teacher.batch)->check(CLI::Range(1, 4096))->capture_default_str();
  CLI::Option* const teacher_option =
      app.add_option("--teacher", teacher_folder,
                     "A model with the backbone's vocabulary that is fine-tuned on the task already (default: the "
                     "backbone, fine-tuned first and kept as WORK/teacher)");
  CLI::Option* const start_option = app.add_option(
      "--start", start_folder,
      "A plain model of the student's vocabulary to start from, of another task; its shape is the student's");
  for (const char* shape : {"--layers", "--hidden", "--heads", "--ffn"}) start_option->excludes(shape);
  app.add_flag("--labels-only", labels_only, "No teacher: train the student on the labels alone")
      ->excludes(teacher_option);
  std::size_t variants = 0;
  app.add_option("--augment", variants, "Variants of training examples for the teacher to label, see augment.h")
      ->capture_default_str();
  if (const int status = parse(app, argc, argv); status >= 0) return status;

  const Log log = make_log(a.quiet);
  const torch::Device device = prepare(a);
  if (a.work.empty()) a.work = a.out.string() + ".work";
  if (o.student.hidden % o.student.heads != 0)
    throw Error(ErrorCode::usage, "--heads " + std::to_string(o.student.heads) + " does not divide --hidden " +
                                      std::to_string(o.student.hidden));
  const model::Model backbone = model::load_model(backbone_folder);
  if (!backbone.prefix.empty()) log(backbone.prefix_note());
  if (backbone.config.thex)
    throw Error(ErrorCode::model,
                "'" + backbone_folder.string() + "' is HE-friendly already; a plain encoder is needed");
  if (a.quick) make_quick(o);
  o.seed = o.teacher.seed = a.seed;
  o.student.vocab = backbone.config.vocab;
  o.student.do_lower_case = backbone.config.do_lower_case;
  a.max_length = std::min(a.max_length, std::min(o.student.max_positions, backbone.config.max_positions));
  const auto vocab = backbone_folder / model::kVocabularyFile;
  const text::Tokenizer tokenizer = model::load_tokenizer(backbone_folder, backbone.config);
  std::optional<model::Model> given_teacher;
  if (!teacher_folder.empty()) {
    given_teacher = model::load_model(teacher_folder);
    if (given_teacher->config.labels.empty() || given_teacher->config.vocab != backbone.config.vocab)
      throw Error(ErrorCode::model, "the teacher '" + teacher_folder.string() +
                                        "' has no head or another vocabulary size than the backbone");
  }
  std::optional<model::Model> start;
  if (!start_folder.empty()) {
    start = model::load_model(start_folder);
    if (start->config.thex || start->config.vocab != backbone.config.vocab)
      throw Error(ErrorCode::model, "'" + start_folder.string() +
                                        "' is HE-friendly already or has another vocabulary size than the backbone");
    o.student = start->config;
  }
  o.student.special_tokens = backbone.config.special_tokens;  // as its vocabulary, which the student takes over
  const ResolvedTask task =
      resolve_task(a.task, a.train, given_teacher ? std::optional(given_teacher->config) : std::nullopt);
  o.student.labels = task.spec.labels;
  o.student.task = task.spec.kind;
  o.student.pooler = task.spec.kind != model::Task::token_classification;
  if (!task.spec.columns.pair.empty()) {
    model::require_pairs(backbone.config);
    if (start) model::require_pairs(start->config);
  }
  if (!start && backbone.config.max_positions < o.student.max_positions) {
    throw Error(ErrorCode::model, backbone_folder.string() + "/config.json: field \"max_position_embeddings\" is " +
                                      std::to_string(backbone.config.max_positions) + ", the student needs " +
                                      std::to_string(o.student.max_positions));
  }
  TaskData data = load_task(a, task, tokenizer, log);
  o.teacher.length_power = data.split.held_out_long > 1 ? o.length_power : 0;
  nlohmann::ordered_json report;
  report["task"] = task.spec.name;
  report["seed"] = a.seed;
  torch::Tensor logits;
  char text[200];
  std::snprintf(text, sizeof text, "/%d %ld %d %g %zu %g %ld", o.teacher.epochs, o.teacher.min_steps,
                o.teacher.patience, o.teacher.rate, o.teacher.batch, o.teacher.length_power, o.teacher.max_steps);
  std::string store_key = data_fingerprint(a, task) + fingerprint_of_model(backbone) + text;
  for (const auto* model : {&given_teacher, &start})
    if (*model) store_key += fingerprint_of_model(**model);
  CheckpointStore store(a.work, fingerprint_of_text(store_key));
  if (!labels_only) {
    model::ModelConfig large = backbone.config;
    large.labels = task.spec.labels;
    tell_resources(large, o.teacher.batch, a.max_length, false, a.work, 2, log);
    const EncoderModule teacher = given_teacher
                                      ? EncoderModule(*given_teacher, device)
                                      : fine_tune_backbone(backbone, "teacher", data, o.teacher, store, device, log);
    AugmentOptions more;
    more.count = variants;
    more.seed = a.seed;
    more.max_length = static_cast<std::size_t>(a.max_length);
    const DataSet extra = augment(data.split.train, teacher.params.at("embeddings.word_embeddings.weight"),
                                  replaceable_words(tokenizer), more);
    data.split.train.insert(data.split.train.end(), extra.begin(), extra.end());
    store = store.with("augment " + std::to_string(variants));
    logits = teacher_logits(teacher, data.split, store, log);
    report["augmented_examples"] = extra.size();
    const Score score = evaluate(teacher, data.spec, data.dev);
    report["teacher_dev"] = score_json(score);
    log("teacher: " + score_text(score));
    if (!given_teacher)
      write_model_folder(teacher.to_model(), vocab, a.work / "teacher", {{"report.json", report.dump(2) + "\n"}},
                         checkpoint::Dtype::f16);
  }
  if (o.student_batch == 0) o.student_batch = data.split.train.size() >= 20000 ? 64 : 32;
  at::manual_seed(a.seed);
  EncoderModule student = start ? with_fresh_head(*start, o.student, a.seed, device)
                                : start_student(o.student, backbone, data.split.train, a.seed, device);
  start_head(student, data.split.train);
  tell_resources(student.config, o.student_batch, a.max_length, false, a.work, 0, log);
  store = store.with(o.describe() + (labels_only ? " labels only" : ""));
  const Score held = train_student(student, data, logits, o, &store, log);
  // What is reported is what is saved: half precision.
  student.params = from_tensor_map(to_tensor_map(student.params), device);
  for (auto& [name, value] : student.params) value = value.to(torch::kFloat16).to(torch::kFloat32);
  const Score dev = evaluate(student, data.spec, data.dev);
  report["held_out"] = score_json(held);
  report["dev"] = score_json(dev);
  log("student: " + score_text(dev));
  write_model_folder(student.to_model(), vocab, a.out, {{"report.json", report.dump(2) + "\n"}},
                     checkpoint::Dtype::f16);
  store.remove(training_state_name("student"));
  return 0;
}

}  // namespace thex::convert

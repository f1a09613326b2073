// `thex-convert make-plain`: a plain BERT-tiny-shaped classifier, distilled from a larger encoder.
#include <nlohmann/json.hpp>

#include "thex/approx/augment.h"
#include "thex/approx/convert_cli.h"
#include "thex/approx/plain_model.h"

namespace thex::approx {

int run_make_plain(int argc, char** argv) {
  CLI::App app{"Makes a plain BERT-tiny-shaped classifier: fine-tunes a larger encoder and distils it",
               "thex-convert make-plain"};
  CommonArguments a;
  std::filesystem::path backbone_folder;
  std::vector<std::string> labels;
  PlainOptions o;
  o.student.max_positions = 128;
  bool labels_only = false;
  app.add_option("BACKBONE_DIR", backbone_folder, "Pre-trained BERT-family encoder with embeddings")->required();
  add_common_arguments(app, a);
  app.add_option("--labels", labels, "Label names in order, for example negative,positive")->delimiter(',')->required();
  app.add_option("--layers", o.student.layers)->check(CLI::Range(1, 48))->capture_default_str();
  app.add_option("--hidden", o.student.hidden)->capture_default_str();
  app.add_option("--heads", o.student.heads)->capture_default_str();
  app.add_option("--ffn", o.student.ffn)->capture_default_str();
  app.add_option("--epochs", o.student_epochs, "Epochs of the student")->capture_default_str();
  app.add_option("--rate", o.student_rate, "Learning rate of the student")->capture_default_str();
  app.add_option("--embedding-rate", o.student_embedding_rate)->capture_default_str();
  app.add_option("--batch", o.student_batch)->capture_default_str();
  app.add_option("--dropout", o.dropout)->capture_default_str();
  app.add_option("--word-dropout", o.word_dropout)->capture_default_str();
  app.add_option("--length-power", o.length_power)->capture_default_str();
  app.add_option("--hard", o.hard, "Share of the hard labels in the student's loss")->capture_default_str();
  app.add_option("--teacher-epochs", o.teacher_epochs)->capture_default_str();
  app.add_option("--teacher-rate", o.teacher_rate)->capture_default_str();
  app.add_option("--teacher-batch", o.teacher_batch)->capture_default_str();
  app.add_flag("--labels-only", labels_only, "No teacher: train the student on the labels alone");
  std::size_t variants = 0;
  app.add_option("--augment", variants, "Variants of training examples for the teacher to label, see augment.h")
      ->capture_default_str();
  if (const int status = parse(app, argc, argv); status >= 0) return status;

  const Log log = make_log(a.quiet);
  const torch::Device device = prepare(a);
  if (a.work.empty()) a.work = a.out.string() + ".work";
  const bert::Model backbone = bert::load_model(backbone_folder);
  o.seed = a.seed;
  o.student.labels = labels;
  o.student.vocab = backbone.config.vocab;
  o.student.do_lower_case = backbone.config.do_lower_case;
  a.max_length = std::min(a.max_length, o.student.max_positions);
  const auto vocab = backbone_folder / "vocab.txt";
  TaskData data = load_task(a, vocab, backbone.config.do_lower_case, static_cast<int>(labels.size()), log);
  nlohmann::ordered_json report;
  report["seed"] = a.seed;
  torch::Tensor logits;
  if (!labels_only) {
    const CheckpointStore store(
        a.work,
        fingerprint_of_text(fingerprint_of_file(a.train) + std::to_string(a.seed) + "/" + std::to_string(a.held_out) +
                            "/" + std::to_string(a.max_length) + "/" + std::to_string(o.teacher_epochs) + "/" +
                            std::to_string(o.teacher_rate) + "/" + std::to_string(o.teacher_batch)));
    const EncoderModule teacher = make_teacher(backbone, labels, data.split, o, store, device, log);
    const bert::Tokenizer tokenizer = bert::Tokenizer::load(vocab, backbone.config.do_lower_case);
    AugmentOptions more;
    more.count = variants;
    more.seed = a.seed;
    more.max_length = static_cast<std::size_t>(a.max_length);
    const DataSet extra = augment(data.split.train, teacher.params.at("embeddings.word_embeddings.weight"),
                                  replaceable_words(tokenizer), more);
    data.split.train.insert(data.split.train.end(), extra.begin(), extra.end());
    logits = teacher_logits(teacher, data.split, store.with("augment " + std::to_string(variants)), log);
    report["augmented_examples"] = extra.size();
    const Score score = evaluate(teacher, data.dev);
    report["teacher_dev_accuracy"] = score.accuracy;
    log("teacher: dev " + std::to_string(score.accuracy) + " %");
    write_model_folder(teacher.to_model(), vocab, a.work / "teacher", report.dump(2) + "\n", bert::Dtype::f16);
  }
  at::manual_seed(a.seed);
  EncoderModule student = start_student(o.student, backbone, data.split.train, a.seed, device);
  const Score held = train_student(student, data.split, logits, o, log);
  // What is reported is what is saved: half precision.
  student.params = from_tensor_map(to_tensor_map(student.params), device);
  for (auto& [name, value] : student.params) value = value.to(torch::kFloat16).to(torch::kFloat32);
  const Score dev = evaluate(student, data.dev);
  report["held_out_accuracy"] = held.accuracy;
  report["held_out_long_accuracy"] = held.accuracy_long;
  report["dev_accuracy"] = dev.accuracy;
  report["dev_examples"] = dev.count;
  log("student: dev " + std::to_string(dev.accuracy) + " % of " + std::to_string(dev.count));
  write_model_folder(student.to_model(), vocab, a.out, report.dump(2) + "\n", bert::Dtype::f16);
  return 0;
}

}  // namespace thex::approx

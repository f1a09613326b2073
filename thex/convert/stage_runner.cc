#include "thex/convert/stage_runner.h"

#include <ATen/Context.h>

#include <cstdio>

#include "thex/base/clock.h"

namespace thex::convert {

void add_score(std::map<std::string, std::string>& notes, const std::string& prefix, const Score& s) {
  notes[prefix] = note_text(s.metric);
  notes[prefix + "_long"] = note_text(s.metric_long);
  notes[prefix + "_loss"] = note_text(s.loss);
  notes[prefix + "_count"] = std::to_string(s.count);
  notes[prefix + "_one_answer"] = s.one_answer ? "1" : "0";
  for (const auto& [name, value] : s.metrics) notes[prefix + "." + name] = note_text(value);
}

Score score_from(const std::map<std::string, std::string>& notes, const std::string& prefix) {
  Score s;
  s.metric = note_number(notes, prefix);
  s.metric_long = note_number(notes, prefix + "_long");
  s.loss = note_number(notes, prefix + "_loss");
  s.count = static_cast<std::size_t>(note_number(notes, prefix + "_count"));
  s.one_answer = note_number(notes, prefix + "_one_answer") != 0;
  for (const auto& [key, value] : notes)
    if (key.rfind(prefix + ".", 0) == 0) s.metrics[key.substr(prefix.size() + 1)] = note_number(notes, key);
  return s;
}

StageRunner::StageRunner(EncoderModule start, const TaskData& data, const CheckpointStore& store, std::uint64_t seed,
                         const Log& log)
    : module(std::move(start)), data_(data), store_(store), seed_(seed), log_(log) {}

void StageRunner::stage(const std::string& name, const std::string& what,
                        const std::function<void(EncoderModule&)>& action) {
  store_ = store_.with(name);
  char file[80];
  std::snprintf(file, sizeof file, "stage-%02zu-%s", rows.size(), name.c_str());
  StageRow row{name, what, {}, {}, 0, {}};
  curve_.clear();
  if (auto saved = store_.load_module(file, module.device)) {
    module = std::move(saved->module);
    row.held_out = score_from(saved->notes, "held");
    row.dev = score_from(saved->notes, "dev");
    row.seconds = saved->number("seconds");
    if (const auto curve = saved->notes.find("curve"); curve != saved->notes.end())
      row.curve = curve_from(curve->second);
    log_(name + ": resumed from its checkpoint");
  } else {
    const auto start = Clock::now();
    at::manual_seed(seed_ + rows.size());
    action(module);
    row.held_out = evaluate(module, data_.spec, data_.split.held_out, data_.split.held_out_long);
    row.dev = evaluate(module, data_.spec, data_.dev);
    row.seconds = seconds_since(start);
    row.curve = curve_;
    std::map<std::string, std::string> notes{{"seconds", note_text(row.seconds)}, {"curve", curve_text(curve_)}};
    add_score(notes, "held", row.held_out);
    add_score(notes, "dev", row.dev);
    store_.save_module(file, module, notes);
    store_.remove(training_state_name(name));
  }
  char line[240];
  std::snprintf(line, sizeof line, "%s: %s held-out %.2f, dev %.2f", name.c_str(),
                data::name(data_.spec.metrics.front()), row.held_out.metric, row.dev.metric);
  log_(line);
  rows.push_back(row);
}

}  // namespace thex::convert

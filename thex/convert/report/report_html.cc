// report.html: one file for people. No scripts, nothing from outside; readable in light, dark and on paper.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "thex/base/error.h"
#include "thex/convert/report/report_charts.h"

namespace thex::convert {
namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--paper:#fbfbf9;--card:#fff;--ink:#23262b;--soft:#666c75;--rule:#e3e4df;--accent:#2c6e91;--mark:#b4582d;
--good:#2f7a4b;--fair:#8a6a14;--bad:#a63a32}
@media(prefers-color-scheme:dark){:root{--paper:#16181b;--card:#1d2024;--ink:#dfe2e6;--soft:#98a0aa;--rule:#31353b;--accent:#6db3d6;
--mark:#e09a6e;--good:#7cc796;--fair:#d8b85c;--bad:#ea8a80}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1000px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:26px;font-weight:650;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:17px;font-weight:650;margin:44px 0 10px;padding-top:14px;border-top:1px solid var(--rule)}
p{margin:6px 0;max-width:75ch}.soft{color:var(--soft)}
.verdict{background:var(--card);border:1px solid var(--rule);border-left:4px solid var(--soft);border-radius:6px;padding:14px 18px;margin:22px 0}
.verdict.good,.verdict.within_noise{border-left-color:var(--good)}.verdict.small_loss{border-left-color:var(--fair)}
.verdict.large_loss{border-left-color:var(--bad)}.verdict p.head{font-weight:600;font-size:16px;margin:0 0 2px}
.verdict ol{margin:8px 0 0;padding-left:22px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;margin:18px 0}
.tile{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:12px 14px}
.tile b{display:block;white-space:nowrap;font-size:19px;font-weight:600;font-variant-numeric:tabular-nums}.tile span{color:var(--soft);font-size:13px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:6px 12px 6px 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{color:var(--soft);font-weight:500;font-size:13px}.n{text-align:right;white-space:nowrap}
figure{margin:14px 0}figcaption{color:var(--soft);font-size:13px;margin-bottom:4px}
.layers{display:grid;grid-template-columns:repeat(auto-fit,minmax(400px,1fr));gap:4px 28px}
svg{display:block;width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
.grid{stroke:var(--rule);stroke-width:1}.band{fill:var(--ink);fill-opacity:.025}.band.odd{fill-opacity:.06}
.curve{fill:none;stroke:var(--accent);stroke-width:1.8;stroke-linejoin:round}.dot{fill:var(--accent)}
.bar{fill:var(--accent);fill-opacity:.55}.whisker{stroke:var(--accent);stroke-width:1.4}.rms{fill:var(--mark)}
dl{display:grid;grid-template-columns:minmax(120px,max-content) 1fr;gap:3px 18px;margin:8px 0;font-size:14px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
@media print{:root{--paper:#fff;--card:#fff;--ink:#000;--soft:#444;--rule:#ccc;--accent:#2c6e91;--mark:#b4582d}main{max-width:none;padding:0}
h2,figcaption{break-after:avoid}figure,tr,.tile,.verdict{break-inside:avoid}}
)";

std::string bytes_text(double bytes) {
  if (bytes < 1e3) return fmt::format("{:.0f} B", bytes);
  if (bytes < 1e6) return fmt::format("{:.1f} kB", bytes / 1e3);
  if (bytes < 1e9) return fmt::format("{:.1f} MB", bytes / 1e6);
  return fmt::format("{:.2f} GB", bytes / 1e9);
}
std::string bytes_text(std::size_t bytes) { return bytes_text(static_cast<double>(bytes)); }

std::string duration(double seconds) {
  if (!(seconds > 0)) return "";
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  if (seconds < 3600) return fmt::format("{:.0f} min {:02.0f} s", std::floor(seconds / 60), std::fmod(seconds, 60.0));
  return fmt::format("{:.0f} h {:02.0f} min", std::floor(seconds / 3600), std::floor(std::fmod(seconds, 3600.0) / 60));
}

std::string metric_text(const Metrics& metrics, const std::string& name) {
  const auto it = metrics.find(name);
  return it == metrics.end() || !std::isfinite(it->second) ? "" : fmt::format("{:.2f}", it->second);
}

const char* headline(Verdict::Level level) {
  switch (level) {
    case Verdict::Level::good:
      return "As good as the plain model";
    case Verdict::Level::within_noise:
      return "No loss beyond the noise of the data";
    case Verdict::Level::small_loss:
      return "A small loss";
    case Verdict::Level::large_loss:
      return "A large loss";
    case Verdict::Level::unknown:
      break;
  }
  return "Not compared";
}

const char* css_class(Verdict::Level level) {
  switch (level) {
    case Verdict::Level::good:
      return "verdict good";
    case Verdict::Level::within_noise:
      return "verdict within_noise";
    case Verdict::Level::small_loss:
      return "verdict small_loss";
    case Verdict::Level::large_loss:
      return "verdict large_loss";
    case Verdict::Level::unknown:
      break;
  }
  return "verdict";
}

void tile(Markup& page, const std::string& value, const std::string& what) {
  if (value.empty()) return;
  page.open("div", {{"class", "tile"}}).leaf("b", value).leaf("span", what).close();
}

void term(Markup& page, const std::string& name, const std::string& value) {
  if (!value.empty()) page.leaf("dt", name).leaf("dd", value);
}

void table_head(Markup& page, const std::vector<std::pair<std::string, bool>>& columns) {
  page.open("div", {{"class", "scroll"}}).open("table").open("thead").open("tr");
  for (const auto& [name, number] : columns) page.leaf("th", name, {{"class", number ? "n" : ""}, {"scope", "col"}});
  page.close().close().open("tbody");
}
void table_end(Markup& page) { page.close().close().close(); }

void summary_section(Markup& page, const ConversionReport& r) {
  page.leaf("h1", r.name.empty() ? "Conversion report" : r.name);
  const model::ModelConfig& c = r.config;
  std::string about =
      fmt::format("{}{}: {} layers, hidden size {}, {} heads, FFN {}", r.task.empty() ? "" : r.task + ", ",
                  row_of(c.task).words, c.layers, c.hidden, c.heads, c.ffn);
  if (!c.labels.empty()) about += fmt::format(", {} {}", c.labels.size(), c.labels.size() == 1 ? "output" : "labels");
  page.leaf("p", about, {{"class", "soft"}});
  page.open("div", {{"class", css_class(r.verdict.level)}});
  page.leaf("p", headline(r.verdict.level), {{"class", "head"}});
  page.leaf("p", r.verdict.summary.empty() ? "The report has no verdict." : r.verdict.summary);
  if (!r.verdict.steps.empty()) {
    page.open("ol");
    for (const std::string& step : r.verdict.steps) page.leaf("li", step);
    page.close();
  }
  page.close();
  page.open("div", {{"class", "tiles"}});
  if (r.verdict.level != Verdict::Level::unknown) {
    tile(page, fmt::format("{:.2f}", r.verdict.before), r.verdict.metric + " before");
    tile(page, fmt::format("{:.2f}", r.verdict.after), r.verdict.metric + " after");
  }
  if (r.plan && !r.plan->buckets.empty()) {
    const BucketBudget& b = r.plan->buckets.front();
    tile(page, fmt::format("{:.2f} s", b.estimated_seconds), fmt::format("a query of {} tokens, estimated", b.tokens));
    tile(page, bytes_text(b.bytes_to_server + b.bytes_to_client), fmt::format("traffic of {} tokens", b.tokens));
    tile(page, bytes_text(r.plan->key_bytes_wire), "keys, sent once");
  }
  tile(page, duration(r.seconds), "conversion");
  page.close();
}

void stages_section(Markup& page, const ConversionReport& r) {
  if (r.stages.empty()) return;
  page.leaf("h2", "Stages");
  std::vector<std::string> metrics = r.metrics;
  if (metrics.empty()) {
    std::set<std::string> names;
    for (const ReportStage& s : r.stages) {
      for (const auto& item : s.dev) names.insert(item.first);
    }
    metrics.assign(names.begin(), names.end());
  }
  const auto any = [&](auto&& has) { return std::any_of(r.stages.begin(), r.stages.end(), has); };
  const bool with_dev = any([](const ReportStage& s) { return !s.dev.empty(); });
  const bool with_held_out = any([](const ReportStage& s) { return !s.held_out.empty(); });
  const bool with_long = any([](const ReportStage& s) { return s.held_out_long != 0; });
  const bool with_time = any([](const ReportStage& s) { return s.seconds > 0; });
  std::vector<std::pair<std::string, bool>> columns{{"#", true}, {"stage", false}};
  for (const std::string& m : metrics) {
    if (with_dev) columns.emplace_back("dev " + m, true);
    if (with_held_out) columns.emplace_back("held-out " + m, true);
  }
  if (with_long) columns.emplace_back("long texts", true);
  if (with_time) columns.emplace_back("time", true);
  columns.emplace_back("what", false);
  table_head(page, columns);
  for (std::size_t i = 0; i < r.stages.size(); ++i) {
    const ReportStage& s = r.stages[i];
    page.open("tr").leaf("td", std::to_string(i + 1), {{"class", "n"}}).leaf("td", s.name);
    for (const std::string& m : metrics) {
      if (with_dev) page.leaf("td", metric_text(s.dev, m), {{"class", "n"}});
      if (with_held_out) page.leaf("td", metric_text(s.held_out, m), {{"class", "n"}});
    }
    if (with_long)
      page.leaf("td", s.held_out_long != 0 ? fmt::format("{:.2f}", s.held_out_long) : "", {{"class", "n"}});
    if (with_time) page.leaf("td", duration(s.seconds), {{"class", "n"}});
    page.leaf("td", s.what).close();
  }
  table_end(page);
  page.leaf("p", "Metrics are times 100. Epochs are chosen by the held-out set; the dev set is only looked at.",
            {{"class", "soft"}});
}

void curves_section(Markup& page, const ConversionReport& r) {
  if (r.curves.size() < 2) return;
  page.leaf("h2", "Learning curves");
  draw_curve(page, r, false);
  draw_curve(page, r, true);
  for (const CurvePoint& p : r.curves)
    if (p.restarts > 0)
      page.leaf("p", fmt::format("{}: epoch {} diverged and was begun again at half the rate{}.", p.stage, p.epoch,
                                 p.restarts > 1 ? fmt::format(", {} times", p.restarts) : ""));
}

void ranges_section(Markup& page, const ConversionReport& r) {
  if (r.ranges.empty() && !(r.max_relu_input > 0) && !(r.max_logit > 0)) return;
  page.leaf("h2", "Sizes of intermediate values");
  page.leaf("p",
            "What the client decrypts decides the lowest modulus: " +
                (r.max_relu_input > 0 ? fmt::format("the largest ReLU input is {:.3g}, the largest logit {:.3g}.",
                                                    r.max_relu_input, r.max_logit)
                                      : fmt::format("logits alone, of which the largest is {:.3g}.", r.max_logit)) +
                " Values beyond these sizes lose precision.");
  if (r.unseen)
    page.leaf("p",
              fmt::format("On {} held-out and dev examples, which were not used for calibration, the largest value "
                          "is {:.2f} times the calibrated one ({}).",
                          r.unseen->examples, r.unseen->ratio, r.unseen->where) +
                  (r.unseen->room > 0
                       ? fmt::format(" There is room for decrypted values of {:.1f} times theirs.", r.unseen->room)
                       : ""));
  if (r.ranges.empty()) return;
  page.leaf("p",
            "Absolute values over the calibration data, logarithmic: bars from the median to 99.9 %, whiskers to the "
            "largest (the number), dots at the root mean square.",
            {{"class", "soft"}});
  std::set<int> layers;
  for (const ReportRange& range : r.ranges) layers.insert(range.layer);
  page.open("div", {{"class", "layers"}});
  for (const int layer : layers) draw_ranges(page, r.ranges, layer);
  page.close();
}

void estimation_section(Markup& page, const ConversionReport& r) {
  if (!r.estimation) return;
  const EstimationFit& e = *r.estimation;
  page.leaf("h2", "Softmax estimation");
  page.leaf("p", "Attention weights are P = c T(sum c) with c = ReLU(u)^3; the network T stands for the reciprocal.");
  page.open("dl");
  term(page, "sums fitted", fmt::format("{:.4g} to {:.4g}", e.min_sum, e.max_sum));
  term(page, "largest relative error of T", fmt::format("{:.3g}", e.worst_relative));
  term(page, "mean squared error of P",
       fmt::format("{:.3g} against softmax; {:.3g} with the exact reciprocal; {:.3g} is T's part", e.mse_true_softmax,
                   e.mse_exact_reciprocal, e.mse_reciprocal_part));
  page.close();
}

// What a query of each length costs.
void bucket_table(Markup& page, const PlanBudget& p) {
  table_head(page, {{"tokens", true},
                    {"levels", true},
                    {"bits of logits", true},
                    {"time, estimated", true},
                    {"to server", true},
                    {"to client", true},
                    {"weights", true},
                    {"rotations", true},
                    {"products", true}});
  for (const BucketBudget& b : p.buckets) {
    page.open("tr");
    for (const std::string& cell :
         {(b.sentences > 1 ? fmt::format("{} x ", b.sentences) : "") + fmt::format("{}", b.tokens),
          fmt::format("{}", b.levels), b.logit_bits ? fmt::format("{:.0f}", *b.logit_bits) : "",
          fmt::format("{:.2f} s", b.estimated_seconds), bytes_text(b.bytes_to_server), bytes_text(b.bytes_to_client),
          bytes_text(b.weight_bytes), fmt::format("{}", b.rotations),
          fmt::format("{}", b.ciphertext_products + b.plain_products)})
      page.leaf("td", cell, {{"class", "n"}});
    page.close();
  }
  table_end(page);
  page.leaf("p", "Times are an estimate for one thread with AVX-512 IFMA; expect 2 to 6 times more elsewhere.",
            {{"class", "soft"}});
}

void plan_section(Markup& page, const ConversionReport& r) {
  if (!r.plan && r.no_plan.empty()) return;
  page.leaf("h2", "Under encryption");
  if (!r.plan) {
    page.leaf("p", "This model cannot be served as it is: " + r.no_plan);
    return;
  }
  const PlanBudget& p = *r.plan;
  page.open("dl");
  term(page, "protocol", fmt::format("{}, {}; plan {}", p.protocol, encoder::rounds_text(p.rounds), p.fingerprint));
  term(page, "security",
       fmt::format("{} bits (classical): N = 2^{}, log2(QP) = {:.1f}", p.security_bits, p.log_n, p.log_qp));
  term(page, "levels", fmt::format("{}, scale 2^{}, {} primes a digit", p.levels, p.log_scale, p.digit_limbs));
  term(page, "primes", fmt::format("{} | {} bits", fmt::join(p.q_bits, " "), fmt::join(p.p_bits, " ")));
  term(page, "keys",
       fmt::format("{} rotations; {} sent once, {} in the server's memory for each client", p.rotation_keys,
                   bytes_text(p.key_bytes_wire), bytes_text(p.key_bytes_memory)));
  term(page, "memory", bytes_text(p.peak_memory) + " at most, a server on this machine with one client");
  if (p.statistical_bits)
    term(page, "masks",
         fmt::format("what the client sees of them is within 2^-{:.1f} of random (statistical distance of a query)",
                     *p.statistical_bits));
  page.close();
  bucket_table(page, p);
  if (p.ledger.empty()) return;
  page.leaf("h2", "Who learns what");
  table_head(page, {{"who", false}, {"learns", false}});
  for (const encoder::LedgerEntry& entry : p.ledger)
    page.open("tr").leaf("td", entry.who).leaf("td", entry.what).close();
  table_end(page);
}

void details_section(Markup& page, const ConversionReport& r) {
  page.leaf("h2", "How it was made");
  page.open("dl");
  term(page, "from", r.source);
  const ReportData& d = r.data;
  std::string data = fmt::format("{} for training, {} held out, {} dev", d.train, d.held_out, d.dev);
  if (d.held_out_long > 0) data += fmt::format("; {} of the held-out texts are the longest", d.held_out_long);
  if (d.augmented > 0) data += fmt::format("; {} of the training examples are variants", d.augmented);
  if (d.dropped > 0) data += fmt::format("; {} left out because they overlap", d.dropped);
  if (d.empty > 0) data += fmt::format("; {} are empty", d.empty);
  if (d.skipped_empty > 0) data += fmt::format("; {} empty ones left out", d.skipped_empty);
  term(page, "examples", data);
  if (r.reference_metric || r.reference_difference) {
    std::string text = r.reference_metric ? fmt::format("{:.2f} in double precision", *r.reference_metric) : "";
    if (r.reference_difference)
      text += fmt::format("{}largest difference of a logit {:.1e}", text.empty() ? "" : ", ", *r.reference_difference);
    term(page, "export", text);
  }
  if (!r.config.labels.empty()) {
    std::string labels;
    for (const std::string& l : r.config.labels) labels += (labels.empty() ? "" : ", ") + l;
    term(page, "labels", labels);
  }
  term(page, "positive class of f1", r.positive_label);
  term(page, "model digest", r.model_digest);
  for (const auto& [part, digest] : r.part_digests) term(page, "digest of " + part, digest);
  term(page, "seed", std::to_string(r.seed));
  for (const auto& [name, value] : r.options)
    if (name != "seed") term(page, name, value);
  page.close();
}

}  // namespace

std::string report_html(const ConversionReport& r) {
  Markup page;
  page.verbatim("<!DOCTYPE html>\n");
  page.open("html", {{"lang", "en"}}).open("head");
  page.verbatim(
      "<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
  page.leaf("title", (r.name.empty() ? "" : r.name + ": ") + "conversion report");
  page.open("style").verbatim(kStyle).close();
  page.close().open("body").open("main");
  summary_section(page, r);
  stages_section(page, r);
  curves_section(page, r);
  ranges_section(page, r);
  estimation_section(page, r);
  plan_section(page, r);
  details_section(page, r);
  page.close().close().close();
  if (page.depth() != 0) throw Error(ErrorCode::internal, "a report leaves elements open");
  return page.str();
}

}  // namespace thex::convert

// thex bench: the engine's operations on this machine, each with the least time that it could take.
#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "thex/base/error.h"
#include "thex/base/json.h"
#include "thex/base/memory.h"
#include "thex/base/printable.h"
#include "thex/cli/command.h"
#include "thex/cli/machine_costs.h"
#include "thex/cli/report.h"
#include "thex/measure/engine_cases.h"
#include "thex/measure/operation_factors.h"
#include "thex/measure/timing.h"
#include "thex/ring/memory_pool.h"

namespace thex::cli {
namespace {

struct Options {
  std::string filter;
  int threads = 0;
  bool quick = false, json = false, calibrate = false;
};

struct Row {
  measure::Case which;
  measure::Times times;
  double bound = 0;
  // Of the threads, against the same case on one: by the clock, and by processor time, which leaves out what other
  // programs take.
  std::optional<double> efficiency, processor_efficiency;
  std::size_t plaintext_bytes = 0;
  double encode_seconds = 0;
  std::size_t pool_bytes = 0;       // in use between runs: by the case and what it shares with others
  std::size_t pool_peak_bytes = 0;  // and at most while it runs
};

std::vector<measure::Case> chosen_cases(const Options& o) {
  std::vector<measure::Case> chosen;
  std::set<std::string> names;
  for (measure::Case& c : measure::engine_cases(thread_count(o.threads))) {
    names.insert(c.name);
    if (c.label().find(o.filter) != std::string::npos && !(o.quick && c.large)) chosen.push_back(std::move(c));
  }
  if (chosen.empty()) {
    throw Error(ErrorCode::usage,
                fmt::format("no benchmark{} has '{}' in its label NAME/2^LOG_N/LIMBS; the names are {}",
                            o.quick ? " of the quick ones" : "", o.filter, fmt::join(names, ", ")));
  }
  return chosen;
}

// `peak` grows to the pool's, setting up included.
Row measure(measure::Case which, measure::Machine& machine, double budget, std::size_t& peak) {
  const measure::Prepared prepared = which.prepare();
  peak = std::max(peak, ring::pool_statistics().peak_in_use);
  ring::reset_pool_peak();
  Row row{.which = std::move(which)};
  row.times = measure::measure(prepared.run, budget);
  for (double* const time :
       {&row.times.minimum, &row.times.median, &row.times.processor_minimum, &row.times.processor_median}) {
    *time /= prepared.operations;
  }
  row.pool_bytes = ring::pool_statistics().bytes_in_use;
  row.pool_peak_bytes = ring::pool_statistics().peak_in_use;
  peak = std::max(peak, row.pool_peak_bytes);
  row.bound = measure::bound_seconds(prepared.work, machine, row.which.threads) / prepared.operations;
  row.plaintext_bytes = prepared.plaintext_bytes;
  row.encode_seconds = prepared.encode_seconds;
  return row;
}

void set_efficiency(Row& row, const std::vector<Row>& others) {
  for (const Row& other : others) {
    if (other.which.name == row.which.name && other.which.log_n == row.which.log_n && other.which.threads == 1 &&
        row.which.threads > 1) {
      row.efficiency = other.times.minimum / (row.which.threads * row.times.minimum);
      row.processor_efficiency = other.times.processor_minimum / row.times.processor_minimum;
    }
  }
}

std::string milliseconds(double seconds) { return fmt::format("{:.{}f}", 1e3 * seconds, seconds < 1e-3 ? 4 : 2); }

std::string remark(const Row& row) {
  std::string text;
  if (row.efficiency) {
    text += fmt::format("  efficiency {:.0f} %, of processor time {:.0f} %", 100 * *row.efficiency,
                        100 * *row.processor_efficiency);
  }
  if (row.plaintext_bytes != 0) {
    text += fmt::format("  plaintexts {}, encoded in {:.2f} s", megabytes(static_cast<double>(row.plaintext_bytes)),
                        row.encode_seconds);
  }
  return text;
}

Json to_json(const Row& row) {
  Json json;
  json["name"] = row.which.name;
  json["log_n"] = row.which.log_n;
  json["limbs"] = row.which.limbs;
  json["threads"] = row.which.threads;
  json["seconds"] = row.times.minimum;
  json["median_seconds"] = row.times.median;
  json["cpu_seconds"] = row.times.processor_minimum;
  json["bound_seconds"] = row.bound;
  json["runs"] = row.times.runs;
  if (row.efficiency) {
    json["efficiency"] = *row.efficiency;
    json["cpu_efficiency"] = *row.processor_efficiency;
  }
  if (row.plaintext_bytes != 0) {
    json["plaintext_bytes"] = row.plaintext_bytes;
    json["encode_seconds"] = row.encode_seconds;
  }
  json["pool_bytes"] = row.pool_bytes;
  json["pool_peak_bytes"] = row.pool_peak_bytes;
  return json;
}

void print_head(const measure::Machine& machine) {
  std::cout << fmt::format("machine  {}, {} cores; instruction set {}\n\n", machine.model(), machine.cores(),
                           machine.isa_name())
            << fmt::format("{:<22} {:>4} {:>5} {:>7} {:>10} {:>10} {:>10} {:>10} {:>6}\n", "benchmark", "N", "limbs",
                           "threads", "least ms", "median ms", "cpu ms", "bound ms", "ratio")
            << std::flush;
}

void print(const Row& row) {
  std::cout << fmt::format("{:<22} 2^{:<2} {:>5} {:>7} {:>10} {:>10} {:>10} {:>10} {:>6.2f}{}\n", row.which.name,
                           row.which.log_n, row.which.limbs, row.which.threads, milliseconds(row.times.minimum),
                           milliseconds(row.times.median), milliseconds(row.times.processor_minimum),
                           milliseconds(row.bound), row.times.minimum / row.bound, remark(row))
            << std::flush;
}

// Each kind of work against the planner's price for it.
void calibrate(const Options& o) {
  const circuit::OperationFactors f = measure::measure_operation_factors(o.quick ? 0.1 : 0.5);
  save_machine_costs(f);
  if (o.json) {
    Json json;
    json["file"] = machine_costs_file().string();
    json["factors"] = {{"decompositions", f.decompositions},
                       {"key_products", f.key_products},
                       {"rescales", f.rescales},
                       {"transform_products", f.transform_products},
                       {"products", f.products}};
    std::cout << json_line(json) << '\n';
    return;
  }
  std::cout << fmt::format(
      "times over those that plans assume: decompositions {:.2f}, key products {:.2f}, rescales {:.2f}, products in "
      "transforms {:.2f}, other products {:.2f}\nkept in {}: thex inspect states this machine's seconds from now on\n",
      f.decompositions, f.key_products, f.rescales, f.transform_products, f.products,
      printable(machine_costs_file().string()));
}

void run(const Options& o) {
  if (o.calibrate) return calibrate(o);
  const std::vector<measure::Case> cases = chosen_cases(o);
  measure::Machine machine;
  if (!o.json) print_head(machine);
  std::vector<Row> rows;
  std::size_t pool_peak = 0;
  for (const measure::Case& which : cases) {
    std::cerr << fmt::format("[{}/{}] {}\n", rows.size() + 1, cases.size(), which.label());
    Row row = measure(which, machine, o.quick ? 0.1 : 1.2, pool_peak);
    set_efficiency(row, rows);
    if (!o.json) print(row);
    rows.push_back(std::move(row));
  }
  const std::size_t resident = peak_memory_bytes();
  if (!o.json) {
    std::cout << fmt::format(
        "\nleast, median: wall-clock times; cpu: least processor time of all threads; bound: least time of the counted "
        "work\n"
        "memory   pool peak {}, process peak {}\n",
        megabytes(static_cast<double>(pool_peak)), megabytes(static_cast<double>(resident)));
    return;
  }
  Json json;
  json["machine"] = machine.model();
  json["cores"] = machine.cores();
  json["isa"] = machine.isa_name();
  json["rates"] = {{"integer_products_per_second", machine.integer_lanes() * machine.integer_rate()},
                   {"real_products_per_second", machine.real_lanes() * machine.real_rate()}};
  json["memory"] = {{"pool_peak_bytes", pool_peak},
                    {"pool_held_bytes", ring::pool_statistics().bytes_held},
                    {"process_peak_bytes", resident}};
  json["benchmarks"] = Json::array();
  for (const Row& row : rows) json["benchmarks"].push_back(to_json(row));
  std::cout << json_line(json) << '\n';
}

}  // namespace

void add_bench(CLI::App& app, Command& command) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("bench", "Time the engine's operations against the least time they could take");
  sub->add_option("--filter", o->filter, "Only benchmarks with this text in their label NAME/2^LOG_N/LIMBS");
  sub->add_flag("--quick", o->quick, "Shorter, and without the benchmarks that need more than half a gigabyte");
  sub->add_flag("--calibrate", o->calibrate,
                "Measure what plans' operations cost on this machine and keep it for thex inspect");
  sub->add_flag("--json", o->json, "One JSON object on stdout");
  add_threads_option(*sub, o->threads);
  command.app = sub;
  command.run = [o] { run(*o); };
}

}  // namespace thex::cli

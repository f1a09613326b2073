#include "thex/cli/machine_costs.h"

#include <cmath>

#include "thex/base/error.h"
#include "thex/base/file.h"
#include "thex/base/home_folder.h"
#include "thex/base/json.h"
#include "thex/measure/machine.h"

namespace thex::cli {
namespace {

using Factors = circuit::OperationFactors;

constexpr std::uint64_t kMaxBytes = 4096;
constexpr struct {
  const char* name;
  double Factors::*factor;
} kRows[] = {{"decompositions", &Factors::decompositions},
             {"key_products", &Factors::key_products},
             {"rescales", &Factors::rescales},
             {"transform_products", &Factors::transform_products},
             {"products", &Factors::products}};

Error damaged(const std::filesystem::path& file) {
  return Error(ErrorCode::model, file.string() + " is damaged: delete it, or run thex bench --calibrate again");
}

}  // namespace

std::filesystem::path machine_costs_file() {
  const auto home = home_folder();
  if (!home) throw Error(ErrorCode::usage, "neither THEX_HOME nor HOME is set: set one to a folder");
  return *home / "machine_costs.json";
}

void save_machine_costs(const Factors& factors) {
  const measure::Machine machine;
  nlohmann::ordered_json json;
  json["machine"] = machine.model();
  json["isa"] = machine.isa_name();
  for (const auto& row : kRows) json[row.name] = factors.*row.factor;
  const std::filesystem::path file = machine_costs_file();
  std::filesystem::create_directories(file.parent_path());
  write_file_atomically(file, json_line(json) + "\n");
}

std::optional<Factors> load_machine_costs() {
  const auto home = home_folder();
  if (!home || !std::filesystem::exists(machine_costs_file())) return std::nullopt;
  const std::filesystem::path file = machine_costs_file();
  const nlohmann::json json = parse_json(read_file(file, kMaxBytes), file.string(), 2);
  if (!json.is_object()) throw damaged(file);
  const measure::Machine machine;
  const auto says = [&](const char* key, const std::string& text) {
    const auto it = json.find(key);
    if (it == json.end() || !it->is_string()) throw damaged(file);
    return *it == text;
  };
  if (!says("machine", machine.model()) || !says("isa", machine.isa_name())) return std::nullopt;
  Factors factors;
  for (const auto& row : kRows) {
    const auto it = json.find(row.name);
    if (it == json.end() || !it->is_number()) throw damaged(file);
    const double factor = it->get<double>();
    if (!(factor > 0.001) || !(factor < 1000)) throw damaged(file);
    factors.*row.factor = factor;
  }
  return factors;
}

}  // namespace thex::cli

// How results look: JSON objects for programs, aligned lines for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "thex/cli/query.h"
#include "thex/transport/session.h"

namespace thex::cli {

using Json = nlohmann::ordered_json;

Json to_json(const client::Answer& result, const Query& query, const client::ClientModel& model);

// One result for people, with control characters of texts and labels escaped (base/printable.h):
// "positive  0.9876  a gripping, beautiful film"; of a regression "3.1416  a text"; of a token classifier the words
// with their tags, "Ada/B-PER sleeps/O", and a line for each entity, "  PER  0.9876  Ada".
std::string result_line(const client::Answer& result, const Query& query, const client::ClientModel& model);
// Phases, traffic and security, several lines.
std::string result_details(const client::Answer& result, const client::ClientModel& model);

// The CKKS parameters: log_n, log_qp, levels, log_scale, q_bits, p_bits, digit_limbs.
Json parameters_json(const ckks::Context& context);

Json ledger_json(const encoder::InferencePlan& plan);
std::string ledger_text(const encoder::InferencePlan& plan);

// "1.23 MB"
std::string megabytes(double bytes);

// The name of a label, or "label 2" when the model names none.
std::string label_name(const model::ModelConfig& config, std::size_t label);

}  // namespace thex::cli

// What a conversion did, as the record that the report is written from, and as lines for the terminal.
#pragma once

#include <string>

#include "thex/convert/command_arguments.h"
#include "thex/convert/report/report.h"
#include "thex/convert/stages.h"
#include "thex/convert/verify.h"

namespace thex::convert {

// Everything but the plan, the digests and the verdict. `options`: as they were used.
ConversionReport report_of(const WorkflowResult& result, const ConvertArguments& arguments,
                           const WorkflowOptions& options, const TaskData& data, std::size_t variants);

// Adds what serving will cost, where a plan can be made, or why none can, and the digests of the model that is written.
void add_plan(ConversionReport& report, const model::Model& model, const text::Tokenizer& tokenizer, int max_length,
              const Log& log);

// The stages with their metrics and the ranges of the result, some lines of text.
std::string stage_table(const WorkflowResult& result, const data::TaskSpec& spec);

// Throws Error(input) when values have left the range in which the outputs can be relied on (single precision no longer
// agrees with double precision there), with what to do about it; Error(internal) when the exported model differs from
// the trained one though its values are small. `longer`: the options that make a training longer.
void require_agreement(const Agreement& agreement, const WorkflowResult& result, std::size_t examples,
                       const char* longer);

}  // namespace thex::convert

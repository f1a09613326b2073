// Comma-separated records as RFC 4180 has them: fields in quotes may hold commas, line ends and doubled quotes.
#pragma once

#include <string>
#include <vector>

#include "thex/data/lines.h"

namespace thex::data {

// The fields of the next record; `line` is the number of its first line. False at the end. A line end within a field
// stays as it was written. Throws Error(input) for a record of more than kMaxLineBytes, a quote that is never closed,
// and quotes within fields that do not start with one (RFC 4180 has none).
bool next_csv_record(LineReader& lines, std::vector<std::string>& fields, std::size_t& line);

}  // namespace thex::data

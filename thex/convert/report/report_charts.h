// The drawings of report.html as inline SVG, in the colours of its style sheet. Internal to report_*.cc.
#pragma once

#include <vector>

#include "thex/convert/report/report.h"
#include "thex/convert/report/report_markup.h"

namespace thex::convert {

// One line over all epochs, with a band for each stage numbered as in the table of stages. Draws nothing for fewer than
// two finite values. `losses`: the training loss, else the held-out metric.
void draw_curve(Markup& page, const ConversionReport& report, bool losses);

// Bars on one logarithmic scale for all layers, one row for each point of `layer`: median to 99.9 %, the largest value
// as a whisker, the root mean square as a dot.
void draw_ranges(Markup& page, const std::vector<ReportRange>& ranges, int layer);

}  // namespace thex::convert

#include "thex/convert/report/report_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace thex::convert {
namespace {

std::string px(double value) { return fmt::format("{:.1f}", value); }

// A step of 1, 2 or 5 times a power of ten that cuts `span` into about five.
double tick_step(double span) {
  const double raw = span / 5, power = std::pow(10, std::floor(std::log10(raw)));
  return (raw <= power ? 1 : raw <= 2 * power ? 2 : raw <= 5 * power ? 5 : 10) * power;
}

struct Frame {
  double left = 52, right = 12, top = 22, bottom = 20, width = 940, height = 210;
  double x0() const { return left; }
  double x1() const { return width - right; }
  double y0() const { return height - bottom; }
  double y1() const { return top; }
};

Markup& open_svg(Markup& page, double width, double height, const std::string& label) {
  return page.open("svg", {{"viewBox", "0 0 " + px(width) + " " + px(height)}, {"role", "img"}, {"aria-label", label}});
}

void line(Markup& page, double x1, double y1, double x2, double y2, const char* style) {
  page.shape("line", {{"x1", px(x1)}, {"y1", px(y1)}, {"x2", px(x2)}, {"y2", px(y2)}, {"class", style}});
}

void label(Markup& page, double x, double y, const char* anchor, const std::string& text) {
  page.leaf("text", text, {{"x", px(x)}, {"y", px(y)}, {"text-anchor", anchor}});
}

// The stage's number in the table of stages, or its name when it has no row there.
std::string stage_number(const ConversionReport& report, const std::string& stage) {
  for (std::size_t i = 0; i < report.stages.size(); ++i) {
    if (report.stages[i].name == stage) return std::to_string(i + 1);
  }
  return stage.substr(0, 12);
}

// Bands of equal stages, alternately shaded, with the names as tool tips.
void draw_bands(Markup& page, const ConversionReport& report, const Frame& f, double step) {
  std::size_t begin = 0;
  for (int band = 0; begin < report.curves.size(); ++band) {
    std::size_t end = begin + 1;
    while (end < report.curves.size() && report.curves[end].stage == report.curves[begin].stage) ++end;
    const double x = f.x0() + static_cast<double>(begin) * step, width = static_cast<double>(end - begin) * step;
    page.open("g").leaf("title", report.curves[begin].stage);
    page.shape("rect", {{"x", px(x)},
                        {"y", px(f.y1())},
                        {"width", px(width)},
                        {"height", px(f.y0() - f.y1())},
                        {"class", band % 2 == 0 ? "band" : "band odd"}});
    if (width > 9) label(page, x + width / 2, f.y0() + 14, "middle", stage_number(report, report.curves[begin].stage));
    page.close();
    begin = end;
  }
}

}  // namespace

void draw_curve(Markup& page, const ConversionReport& report, bool losses) {
  const auto value = [&](const CurvePoint& p) { return losses ? p.loss : p.held_out; };
  double low = INFINITY, high = -INFINITY;
  std::size_t finite = 0;
  for (const CurvePoint& p : report.curves) {
    if (!std::isfinite(value(p))) continue;
    low = std::min(low, value(p)), high = std::max(high, value(p)), ++finite;
  }
  if (finite < 2) return;
  const double margin = high > low ? (high - low) * 0.06 : std::max(std::abs(high) * 0.05, 1e-6);
  low -= margin, high += margin;
  const std::string metric = report.metrics.empty() ? "metric" : report.metrics.front();
  const std::string title = losses ? "Training loss" : "Held-out " + metric;
  const Frame f;
  const double step = (f.x1() - f.x0()) / static_cast<double>(report.curves.size());
  const auto y_of = [&](double v) { return f.y0() - (v - low) / (high - low) * (f.y0() - f.y1()); };
  page.open("figure");
  page.leaf("figcaption", title + ", after each epoch; numbers are stages of the table");
  open_svg(page, f.width, f.height, title);
  draw_bands(page, report, f, step);
  const double tick = tick_step(high - low);
  const int digits = std::clamp(static_cast<int>(std::ceil(-std::log10(tick))), 0, 6);
  for (double v = std::ceil(low / tick) * tick; v <= high; v += tick) {
    line(page, f.x0(), y_of(v), f.x1(), y_of(v), "grid");
    label(page, f.x0() - 6, y_of(v) + 3.5, "end", fmt::format("{:.{}f}", v + 0.0, digits));
  }
  // A line within each stage: between stages the model changes, not the training.
  for (std::size_t i = 0; i < report.curves.size();) {
    std::string points;
    std::size_t end = i;
    for (; end < report.curves.size() && report.curves[end].stage == report.curves[i].stage; ++end) {
      if (!std::isfinite(value(report.curves[end]))) continue;
      points += (points.empty() ? "" : " ") + px(f.x0() + (static_cast<double>(end) + 0.5) * step) + "," +
                px(y_of(value(report.curves[end])));
    }
    if (!points.empty()) page.shape("polyline", {{"points", points}, {"class", "curve"}});
    i = end;
  }
  for (std::size_t i = 0; i < report.curves.size(); ++i) {
    const CurvePoint& p = report.curves[i];
    if (!std::isfinite(value(p))) continue;
    page.open("circle", {{"cx", px(f.x0() + (static_cast<double>(i) + 0.5) * step)},
                         {"cy", px(y_of(value(p)))},
                         {"r", report.curves.size() > 60 ? "1.6" : "2.6"},
                         {"class", "dot"}});
    page.leaf("title", fmt::format("{}, epoch {}: {:.4g}", p.stage, p.epoch, value(p)));
    page.close();
  }
  page.close().close();
}

void draw_ranges(Markup& page, const std::vector<ReportRange>& ranges, int layer) {
  double low = INFINITY, high = 0;
  for (const ReportRange& r : ranges) {
    for (const double v : {r.rms, r.max, r.p50, r.p99, r.p999}) {
      if (std::isfinite(v) && v > 0) low = std::min(low, v), high = std::max(high, v);
    }
  }
  if (!(high > 0)) return;
  low = std::max(low, high * 1e-6);
  const double first = std::floor(std::log10(low)), last = std::max(std::ceil(std::log10(high)), first + 1);
  std::vector<const ReportRange*> rows;
  for (const ReportRange& r : ranges) {
    if (r.layer == layer) rows.push_back(&r);
  }
  const double row_height = 19, left = 118, right = 66, width = 440, top = 6;
  const double bottom = top + row_height * static_cast<double>(rows.size());
  const auto x_of = [&](double v) {
    const double position = v > 0 && std::isfinite(v) ? (std::log10(v) - first) / (last - first) : 0;
    return left + std::clamp(position, 0.0, 1.0) * (width - left - right);
  };
  page.open("figure");
  page.leaf("figcaption", "Layer " + std::to_string(layer + 1));
  open_svg(page, width, bottom + 20, "sizes in layer " + std::to_string(layer + 1));
  for (double power = first; power <= last; power += last - first > 6 ? 2 : 1) {
    const double x = x_of(std::pow(10, power));
    line(page, x, top, x, bottom, "grid");
    label(page, x, bottom + 14, "middle",
          std::abs(power) < 4 ? fmt::format("{:g}", std::pow(10, power)) : fmt::format("1e{:g}", power));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const ReportRange& r = *rows[i];
    const double y = top + row_height * (static_cast<double>(i) + 0.5);
    const double begin = x_of(r.p50 > 0 ? r.p50 : r.rms);
    const double end = x_of(r.p999 > 0 ? r.p999 : r.p99 > 0 ? r.p99 : r.max);
    page.open("g").leaf("title",
                        fmt::format("{}: rms {:.4g}, half below {:.4g}, 99 % below {:.4g}, 99.9 % below {:.4g}, "
                                    "largest {:.4g}",
                                    r.point, r.rms, r.p50, r.p99, r.p999, r.max));
    label(page, left - 8, y + 3.5, "end", r.point);
    page.shape("rect", {{"x", px(std::min(begin, end))},
                        {"y", px(y - 4)},
                        {"width", px(std::max(std::abs(end - begin), 1.0))},
                        {"height", "8"},
                        {"rx", "2"},
                        {"class", "bar"}});
    line(page, end, y, x_of(r.max), y, "whisker");
    line(page, x_of(r.max), y - 4, x_of(r.max), y + 4, "whisker");
    page.shape("circle", {{"cx", px(x_of(r.rms))}, {"cy", px(y)}, {"r", "2.6"}, {"class", "rms"}});
    label(page, width - right + 8, y + 3.5, "start",
          r.max < 1000 ? fmt::format("{:.3g}", r.max) : fmt::format("{:.0f}", r.max));
    page.close();
  }
  page.close().close();
}

}  // namespace thex::convert

// Two builds of the engine compared on one machine, however busy: each runs as a process of its own, the same operation
// is timed in one and in the other by turns, in processor time, and the ratios of these pairs are reported.
//
//   engine_pairs OLD CASE...          OLD: engine_pairs of the other build; CASE: a label of `thex bench`, as
//                                     rotate/2^14/7. Prints the median of new / old and a 95 % interval of the median.
//   engine_pairs --pairs 40 OLD ...   instead of 20 pairs
//   engine_pairs --worker             what it starts: reads "CASE RUNS" from standard input, writes seconds a run
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#if __has_include("thex/measure/engine_cases.h")
#include "thex/measure/engine_cases.h"
namespace cases = thex::measure;
#else  // builds of some time ago
#include "thex/bench/engine_cases.h"
namespace cases = thex::bench;
#endif

namespace {

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

int work() {
  const std::vector<cases::Case> all = cases::engine_cases(1);
  std::string label, prepared_label;
  cases::Prepared prepared;
  for (long runs = 0; std::cin >> label >> runs;) {
    if (label != prepared_label) {
      const auto found = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.label() == label; });
      if (found == all.end()) {
        std::cerr << "engine_pairs: no benchmark is called " << label << "; thex bench lists them\n";
        return 2;
      }
      prepared = found->prepare();
      prepared_label = label;
      prepared.run();
    }
    const double start = processor_seconds();
    for (long i = 0; i < runs; ++i) prepared.run();
    std::cout << (processor_seconds() - start) / static_cast<double>(runs) << std::endl;
  }
  return 0;
}

// A build's worker at the other end of two pipes.
class Worker {
 public:
  explicit Worker(const char* program) {
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0) fail("pipe");
    child_ = fork();
    if (child_ < 0) fail("fork");
    if (child_ == 0) {
      dup2(to[0], STDIN_FILENO);
      dup2(from[1], STDOUT_FILENO);
      for (const int end : {to[0], to[1], from[0], from[1]}) close(end);
      execl(program, program, "--worker", static_cast<char*>(nullptr));
      fail(program);
    }
    close(to[0]);
    close(from[1]);
    requests_ = fdopen(to[1], "w");
    answers_ = fdopen(from[0], "r");
  }
  ~Worker() {
    std::fclose(requests_);
    std::fclose(answers_);
    waitpid(child_, nullptr, 0);
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  double seconds(const char* label, long runs) {
    std::fprintf(requests_, "%s %ld\n", label, runs);
    std::fflush(requests_);
    double answer = 0;
    if (std::fscanf(answers_, "%lf", &answer) != 1) std::exit(2);  // the worker has said why
    return answer;
  }

 private:
  [[noreturn]] static void fail(const char* what) {
    std::perror(what);
    std::_Exit(2);
  }

  pid_t child_ = 0;
  FILE *requests_ = nullptr, *answers_ = nullptr;
};

void compare(Worker& older, Worker& newer, const char* label, std::size_t pairs) {
  constexpr double kSecondsAtLeast = 0.05;
  const double once = std::max(older.seconds(label, 1), newer.seconds(label, 1));
  const long runs = std::max(1L, std::lround(std::ceil(kSecondsAtLeast / once)));
  std::vector<double> ratios, old_times, new_times;
  for (std::size_t i = 0; i < pairs; ++i) {
    double seconds[2];
    for (const std::size_t which : {i % 2, 1 - i % 2})
      seconds[which] = (which == 0 ? older : newer).seconds(label, runs);
    old_times.push_back(seconds[0]);
    new_times.push_back(seconds[1]);
    ratios.push_back(seconds[1] / seconds[0]);
  }
  for (std::vector<double>* list : {&ratios, &old_times, &new_times}) std::sort(list->begin(), list->end());
  // Order statistics: the number of pairs below the true median is binomial.
  const double half_width = 0.98 * std::sqrt(static_cast<double>(pairs));
  const auto low = static_cast<std::size_t>(std::max(0.0, std::floor(static_cast<double>(pairs) / 2 - half_width)));
  const auto middle = [&](const std::vector<double>& list) { return (list[(pairs - 1) / 2] + list[pairs / 2]) / 2; };
  std::printf("%-32s %9.3f %9.3f   %.3f   %.3f to %.3f\n", label, 1e3 * middle(old_times), 1e3 * middle(new_times),
              middle(ratios), ratios[low], ratios[pairs - 1 - low]);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--worker") == 0) return work();
  std::size_t pairs = 20;
  int next = 1;
  if (argc > 2 && std::strcmp(argv[1], "--pairs") == 0) {
    pairs = static_cast<std::size_t>(std::max(6, std::atoi(argv[2])));
    next = 3;
  }
  if (argc - next < 2) {
    std::fprintf(stderr, "usage: engine_pairs [--pairs N] OLD_ENGINE_PAIRS CASE...\n");
    return 2;
  }
  Worker older(argv[next]), newer(argv[0]);
  std::printf("%-32s %9s %9s   median of new / old, 95 %% interval; processor time, %zu pairs\n", "case", "old ms",
              "new ms", pairs);
  for (int i = next + 1; i < argc; ++i) compare(older, newer, argv[i], pairs);
}

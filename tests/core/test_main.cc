#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cinttypes>
#include <cstdio>
#include <iostream>
#include <map>

#include "tests/core/properties.h"

namespace vesper::testing {

namespace {

struct Count {
  std::uint64_t number = 0;
  std::uint64_t more = 0;
  std::string unit;
};
std::map<std::string, Count>& counts() {
  static std::map<std::string, Count> all;
  return all;
}

void print_counts() {
  for (const auto& [label, count] : counts()) {
    std::printf("counts: %s: %" PRIu64, label.c_str(), count.number);
    if (!count.unit.empty()) std::printf(" %" PRIu64 " %s", count.more, count.unit.c_str());
    std::printf("\n");
  }
  const PropertyCounts& properties = property_counts();
  if (properties.properties == 0) return;
  std::printf("counts: properties: %" PRIu64 " properties, seed %" PRIu64 ", %" PRIu64 " cases\n",
              properties.properties, property_params().seed, properties.cases);
}

// doctest is content with no test case at all: a mistyped filter would pass for ever.
unsigned cases_selected = 0;
struct Selected : doctest::IReporter {
  explicit Selected(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats& stats) override {
    cases_selected = stats.numTestCasesPassingFilters;
  }
  void test_case_start(const doctest::TestCaseData&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("selected", 1, Selected);

}  // namespace

void count(const std::string& label, std::uint64_t number) {
  counts()[label].number += number;
}

void count_more(const std::string& label, std::uint64_t number, const std::string& unit) {
  Count& sum = counts()[label];
  sum.more += number;
  sum.unit = unit;
}

PropertyCounts& property_counts() {
  static PropertyCounts all;
  return all;
}

rc::detail::TestParams property_params() {
  return rc::detail::configuration().testParams;
}

void report(const std::string& sentence, const rc::detail::TestResult& result) {
  std::cerr << "\n- " << sentence << "\n";
  rc::detail::printResultMessage(result, std::cerr);
  std::cerr << "\n";
}

}  // namespace vesper::testing

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  const int status = context.run();
  if (context.shouldExit()) return status;
  vesper::testing::print_counts();
  if (vesper::testing::cases_selected > 0) return status;
  std::fputs("no test case was selected\n", stderr);
  return 1;
}

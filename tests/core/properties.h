// Properties, and what a test program counts while it runs. `holds` is rapidcheck's check, counted:
// RC_PARAMS="seed=... max_success=..." reproduces a run. `count` adds to a figure of any other
// kind. test_main.cc prints both at the end as "counts: <label>: <number>" lines, which tests/run
// collects; a program that is asked for a test case which does not exist fails.
#pragma once

#include <rapidcheck.h>
#include <rapidcheck/detail/Configuration.h>

#include <cstdint>
#include <string>

namespace vesper::testing {

// Adds to the line "counts: <label>: <number>", and to a second figure behind it, " <number>
// <unit>".
void count(const std::string& label, std::uint64_t number);
void count_more(const std::string& label, std::uint64_t number, const std::string& unit);

// What every property of this program has added up to.
struct PropertyCounts {
  std::uint64_t properties = 0;
  std::uint64_t cases = 0;
};
PropertyCounts& property_counts();

// The parameters that this process checks with: given by RC_PARAMS, or the seed drawn.
rc::detail::TestParams property_params();

// Says on standard error how the property fared: its classes, or the shrunk case.
void report(const std::string& sentence, const rc::detail::TestResult& result);

struct PropertySize {
  int cases_factor = 1;  // times RC_PARAMS' max_success
};

// Whether `property`, which draws its own inputs, holds in every case.
template <class Property>
bool holds(const std::string& sentence, Property property, PropertySize size = {}) {
  PropertyCounts& counts = property_counts();
  ++counts.properties;
  const auto counted = [&counts, &property] {
    ++counts.cases;
    property();
  };

  rc::detail::TestMetadata metadata;
  metadata.id = sentence;
  metadata.description = sentence;
  rc::detail::TestParams params = property_params();
  params.maxSuccess *= size.cases_factor;
  const auto result = rc::detail::checkTestable(counted, metadata, params);
  report(sentence, result);
  return result.template is<rc::detail::SuccessResult>();
}

}  // namespace vesper::testing

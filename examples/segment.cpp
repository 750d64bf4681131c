// What segment.hpp is good for:
//
//   c++ -std=c++11 segment.cpp $(pkg-config --cflags --libs smem) -o segment
#include "segment.hpp"

#include <iostream>
#include <numeric>

int main() try {
  auto made = smem::segment<double>::make("squares", 100);
  {
    smem::lock guard("squares");
    for (std::size_t i = 0; i < made.size(); i++) made.begin()[i] = i * i;
  }
  auto seen = smem::segment<const double>::open("squares");
  std::cout << std::accumulate(seen.begin(), seen.end(), 0.0) << "\n";

  try {
    smem::segment<char>::open("nothing");
  } catch (const smem::error &problem) {
    if (problem.code != SMEM_NOT_FOUND) throw;
  }
  return 0; // and the segment goes with the process
} catch (const std::exception &problem) {
  std::cerr << problem.what() << "\n";
  return 1;
}

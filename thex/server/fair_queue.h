// A bounded queue that is fair between those who wait in it.
//
// Turns go round robin over principals, and within one principal over its flows (the key sets behind one address, say),
// so that who asks for much waits for himself. Items of one flow keep their order. The discipline is that of
// J. Nagle, "On packet switches with infinite storage", RFC 970. Not thread-safe.
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace thex::server {

template <typename T>
class FairQueue {
 public:
  // Adds an item at the end of its flow.
  void push(const std::string& principal, const std::string& flow, T item) {
    flow_of(principal, flow).items.push_back(std::move(item));
    ++size_;
  }
  // Adds an item before those that wait in its flow already.
  void push_front(const std::string& principal, const std::string& flow, T item) {
    flow_of(principal, flow).items.push_front(std::move(item));
    ++size_;
  }

  // Takes the first item, in the order of turns, for which `admit(item)` is true. Of each flow only the first item is
  // asked. Whose item is taken has his next turn after all others.
  template <typename Admit>
  std::optional<T> pop(Admit&& admit) {
    for (auto p = principals_.begin(); p != principals_.end(); ++p) {
      for (auto f = p->flows.begin(); f != p->flows.end(); ++f) {
        if (f->items.empty() || !admit(f->items.front())) continue;
        T item = std::move(f->items.front());
        f->items.pop_front();
        --size_;
        p->flows.splice(p->flows.end(), p->flows, f);
        if (f->items.empty()) p->flows.erase(f);
        principals_.splice(principals_.end(), principals_, p);
        if (p->flows.empty()) principals_.erase(p);
        return item;
      }
    }
    return std::nullopt;
  }

  // Takes all items for which `wanted(item)` is true.
  template <typename Wanted>
  std::vector<T> remove(Wanted&& wanted) {
    std::vector<T> removed;
    for (auto p = principals_.begin(); p != principals_.end();) {
      for (auto f = p->flows.begin(); f != p->flows.end();) {
        for (auto i = f->items.begin(); i != f->items.end();) {
          if (wanted(*i)) {
            removed.push_back(std::move(*i));
            i = f->items.erase(i);
            --size_;
          } else {
            ++i;
          }
        }
        f = f->items.empty() ? p->flows.erase(f) : std::next(f);
      }
      p = p->flows.empty() ? principals_.erase(p) : std::next(p);
    }
    return removed;
  }

  std::size_t size() const { return size_; }

 private:
  struct Flow {
    std::string name;
    std::deque<T> items;
  };
  struct Principal {
    std::string name;
    std::list<Flow> flows;  // in the order of their next turns
  };

  template <typename List>
  static auto& entry(List& list, const std::string& name) {
    for (auto& e : list)
      if (e.name == name) return e;
    auto& added = list.emplace_back();
    added.name = name;
    return added;
  }
  Flow& flow_of(const std::string& principal, const std::string& flow) {
    return entry(entry(principals_, principal).flows, flow);
  }

  std::list<Principal> principals_;  // in the order of their next turns
  std::size_t size_ = 0;
};

}  // namespace thex::server

// Inside of RouteTable: a page of sorted routes. A route takes its address and one word, 8 octets for IPv4 and 20 for
// IPv6; the word names the attributes among those of the page.
#pragma once

#include <vector>

#include "bgp/rib/route_table.h"

namespace weft::bgp {

inline constexpr std::size_t kPageRoutes = 512;

struct RouteTable::Page {
  explicit Page(Family family) : address_words(family == Family::v4 ? 1 : 4) {}

  std::size_t size() const { return words.size() / stride(); }
  bool empty() const { return words.empty(); }
  std::size_t stride() const { return address_words + 1; }
  PrefixKey key(std::size_t i) const;
  PrefixKey last() const { return key(size() - 1); }
  const SharedAttributes& at(std::size_t i) const { return attributes[word(i) >> 8]; }
  /// Index of the first route that is not before `key`.
  std::size_t lower_bound(const PrefixKey& key) const;

  void insert(std::size_t i, const PrefixKey& key, const SharedAttributes& value);
  void replace(std::size_t i, const SharedAttributes& value);
  void erase(std::size_t i);
  /// Routes [first, last) with the attributes that they use.
  Page part(std::size_t first, std::size_t last) const;
  void append(const Page& other);

  std::size_t address_words;
  std::vector<SharedAttributes> attributes;  // each used by some route, all different
  std::vector<std::uint32_t> words;          // address in host order, then attributes' index << 8 | prefix length

 private:
  std::uint32_t word(std::size_t i) const { return words[i * stride() + address_words]; }
  std::uint32_t intern(const SharedAttributes& value);
  void release(std::uint32_t index);
};

struct RouteTable::Root {
  struct Ref {
    PrefixKey first;  // no route of the page is before it, none of the page before is behind it
    std::shared_ptr<Page> page;
  };
  std::vector<Ref> pages;
  std::size_t size = 0;

  /// The page where `key` is or would be; there must be pages.
  std::size_t page_of(const PrefixKey& key) const;
};

/// A place in a table.
class RouteTable::Cursor {
 public:
  explicit Cursor(const Root* root) : root_(root) {}
  bool end() const { return root_ == nullptr || page_ == root_->pages.size(); }
  const Page* page() const { return root_->pages[page_].page.get(); }
  PrefixKey key() const { return page()->key(route_); }
  const SharedAttributes& attributes() const { return page()->at(route_); }
  void next() {
    if (++route_ == page()->size()) next_page();
  }
  void next_page() {
    ++page_;
    route_ = 0;
  }

 private:
  const Root* root_;
  std::size_t page_ = 0;
  std::size_t route_ = 0;
};

}  // namespace weft::bgp

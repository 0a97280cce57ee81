// Inside of RouteTable: a page of sorted routes. A route takes its address and one word, 8 octets for IPv4 and 20 for
// IPv6; the word names the attributes among those of the page.
#pragma once

#include <vector>

#include "bgp/rib/route_table.h"

namespace weft::bgp {

inline constexpr std::size_t kPageRoutes = 512;

struct RouteTable::Page {
  explicit Page(Family family) : address_words(family == Family::v4 ? 1 : 4) {}

  std::size_t size() const {
    return address_words == 1 ? words.size() / 2 : words.size() / 5;
  }  // constants divide fast
  bool empty() const { return words.empty(); }
  std::size_t stride() const { return address_words + 1; }
  PrefixKey key(std::size_t i) const {
    if (address_words == 1) return {std::uint64_t{words[i * 2]} << 32, 0, static_cast<std::uint8_t>(words[i * 2 + 1])};
    const std::uint32_t* w = &words[i * 5];
    return {std::uint64_t{w[0]} << 32 | w[1], std::uint64_t{w[2]} << 32 | w[3], static_cast<std::uint8_t>(w[4])};
  }
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
  explicit Cursor(const Root* root) : root_(root) { enter_page(); }
  bool end() const { return page_ == nullptr; }
  const Page* page() const { return page_; }
  const PrefixKey& key() const { return key_; }
  const SharedAttributes& attributes() const { return page_->at(route_); }
  void next() {
    if (++route_ == size_) return next_page();
    key_ = page_->key(route_);
  }
  void next_page() {
    ++index_;
    enter_page();
  }
  /// From pages that both share, to the next that they do not; looks at no page in between.
  static void skip_shared(Cursor& a, Cursor& b) {
    do {
      ++a.index_;
      ++b.index_;
    } while (a.index_ < a.root_->pages.size() && b.index_ < b.root_->pages.size() &&
             a.root_->pages[a.index_].page == b.root_->pages[b.index_].page);
    a.enter_page();
    b.enter_page();
  }

 private:
  void enter_page() {
    page_ = root_ == nullptr || index_ == root_->pages.size() ? nullptr : root_->pages[index_].page.get();
    if (page_ == nullptr) return;
    size_ = page_->size();
    route_ = 0;
    key_ = page_->key(0);
  }

  const Root* root_;
  std::size_t index_ = 0;
  const Page* page_ = nullptr;
  std::size_t size_ = 0;
  std::size_t route_ = 0;
  PrefixKey key_;
};

}  // namespace weft::bgp

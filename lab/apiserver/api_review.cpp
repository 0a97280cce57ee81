// Who asks, whether he may, and what the API says about both: reviews of access, rules and tokens.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "lab/apiserver/api.h"

namespace weft::lab::api {
namespace {

json::array group_names(const std::vector<std::string>& all) {
  json::array out;
  for (const auto& s : all) out.emplace_back(s);
  return out;
}

json::object user_info(const User& user) {
  json::object out{{"username", user.name}, {"groups", group_names(user.groups)}};
  if (!user.uid.empty()) out["uid"] = user.uid;
  return out;
}

// "Bearer TOKEN" without the word and the spaces around it.
std::string bearer_token(const std::string& authorization) {
  const auto begin = authorization.find_first_not_of(' ', 7), end = authorization.find_last_not_of(' ');
  return begin == std::string::npos || begin > end ? "" : authorization.substr(begin, end - begin + 1);
}

// The user that a review names.
User reviewed_user(const json::value& spec) {
  User out{text(spec, {"user"}), text(spec, {"uid"}), {}};
  for (const auto& g : list(spec, {"groups"}))
    if (g.is_string()) out.groups.emplace_back(g.get_string());
  return out;
}

Attributes reviewed_attributes(const json::value& spec, const std::string& ns) {
  Attributes a;
  if (find(spec, {"nonResourceAttributes"}) != nullptr) {
    a.path = text(spec, {"nonResourceAttributes", "path"});
    a.verb = text(spec, {"nonResourceAttributes", "verb"});
    return a;
  }
  const auto of = [&](std::string_view field) { return text(spec, {"resourceAttributes", field}); };
  a.verb = of("verb");
  a.group = of("group");
  a.resource = of("resource");
  a.sub = of("subresource");
  a.ns = ns.empty() ? of("namespace") : ns;
  a.name = of("name");
  return a;
}

}  // namespace

Answer<User> Api::authenticate(const HttpRequest& request) const {
  std::optional<User> user = request.certificate;
  if (!user && request.authorization.starts_with("Bearer ") && options_.signer) {
    const auto claims = options_.signer->verify(bearer_token(request.authorization), Wall::now());
    if (!claims) {
      log::debug("a token was refused", {{"error", claims.error().message}});
      return refuse(ApiError::unauthorized());
    }
    const auto account = store_.cache("", "serviceaccounts").get(claims->ns, claims->account);
    const bool ours = std::find(claims->audiences.begin(), claims->audiences.end(), options_.signer->issuer()) !=
                      claims->audiences.end();
    if (!ours || !account || text(account->object, {"metadata", "uid"}) != claims->uid)
      return refuse(ApiError::unauthorized());
    user = User{fmt::format("system:serviceaccount:{}:{}", claims->ns, claims->account),
                claims->uid,
                {"system:serviceaccounts", "system:serviceaccounts:" + claims->ns}};
  }
  if (!user) return refuse(ApiError::unauthorized());
  user->groups.emplace_back("system:authenticated");
  return *user;
}

Policy Api::policy() {
  constexpr const char* kGroup = "rbac.authorization.k8s.io";
  return {store_.cache(kGroup, "clusterroles").objects, store_.cache(kGroup, "clusterrolebindings").objects,
          store_.cache(kGroup, "roles").objects, store_.cache(kGroup, "rolebindings").objects,
          store_.cache("", "pods").objects};
}

Decision Api::decision(const User& user, const Attributes& wanted) {
  if (!options_.rbac) return {true, "this server allows whoever it knows"};
  return decide(policy(), user, wanted);
}

Answer<> Api::authorize(const User& user, const HttpRequest& request, const std::vector<std::string>& parts) {
  auto wanted = attributes_of(request.method, parts, request.query);
  auto d = decision(user, wanted);
  // What is applied and is not there is created, which is a right of its own.
  if (d.allowed && wanted.verb == "patch" && wanted.sub.empty() &&
      media_type(request.content_type) == "application/apply-patch+yaml" &&
      !store_.cache(wanted.group, wanted.resource).get(wanted.resource == "namespaces" ? "" : wanted.ns, wanted.name)) {
    wanted.verb = "create";
    d = decision(user, wanted);
  }
  if (d.allowed) return {};
  auto why = refusal_text(user, wanted, d.reason);
  log::info("forbidden", {{"what", why}, {"name", wanted.name}, {"client", request.user_agent}});
  if (!wanted.path.empty()) return refuse(ApiError{403, "Forbidden", "forbidden: " + why, {}});
  return refuse(ApiError::forbidden(wanted.group, wanted.resource, wanted.name, why));
}

json::object Api::review_access(const User& user, const json::value& spec, const std::string& ns) {
  const auto d = decision(user, reviewed_attributes(spec, ns));
  json::object out{{"allowed", d.allowed}};
  if (!d.reason.empty()) out["reason"] = d.reason;
  return out;
}

json::object Api::review_rules(const User& user, const std::string& ns) {
  json::array resources, paths;
  if (!options_.rbac) {
    const json::array all{"*"};
    resources.push_back(json::object{{"verbs", all}, {"apiGroups", all}, {"resources", all}});
    paths.push_back(json::object{{"verbs", all}, {"nonResourceURLs", all}});
  } else {
    for (auto& rule : rules_of(policy(), user, ns))
      (api::list(rule, {"nonResourceURLs"}).empty() ? resources : paths).push_back(std::move(rule));
  }
  return {{"resourceRules", std::move(resources)}, {"nonResourceRules", std::move(paths)}, {"incomplete", false}};
}

json::object Api::review_token(const std::string& token) const {
  HttpRequest asked;
  asked.authorization = "Bearer " + token;
  const auto who = authenticate(asked);
  if (!who) return {{"authenticated", false}, {"user", json::object{}}, {"error", "the token is not valid"}};
  return {{"authenticated", true}, {"user", user_info(*who)}};
}

Answer<HttpResponse> Api::review(const HttpRequest& request, const User& user, const std::string& ns,
                                 const std::string& plural) {
  auto body = body_of(request);
  if (!body || !body->is_object()) return refuse(body ? ApiError::bad_request("expected an object") : body.error());
  const auto* spec = find(*body, {"spec"});
  const json::value asked = spec != nullptr ? *spec : json::value(json::object{});
  json::object status;
  if (plural == "selfsubjectaccessreviews") {
    status = review_access(user, asked, "");
  } else if (plural == "subjectaccessreviews" || plural == "localsubjectaccessreviews") {
    status = review_access(reviewed_user(asked), asked, ns);
  } else if (plural == "selfsubjectrulesreviews") {
    status = review_rules(user, text(asked, {"namespace"}));
  } else if (plural == "selfsubjectreviews") {
    status = {{"userInfo", user_info(user)}};
  } else if (plural == "tokenreviews") {
    status = review_token(text(asked, {"token"}));
  } else {
    return refuse(ApiError::no_such_path());
  }
  body->get_object()["status"] = std::move(status);
  return json_answer(201, *body);
}

}  // namespace weft::lab::api

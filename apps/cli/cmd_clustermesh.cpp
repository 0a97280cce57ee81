// weft clustermesh enable | disable | connect | disconnect | status
#include <CLI/CLI.hpp>

#include <cstdio>

#include "apps/cli/cluster.h"
#include "apps/cli/commands.h"
#include "apps/cli/connect.h"
#include "apps/cli/objects.h"
#include "apps/cli/output.h"
#include "apps/cli/terminal.h"
#include "apps/cli/wait.h"

namespace weft::cli {

namespace {

struct MeshFlags {
  std::vector<std::string> destinations;
  ConnectionMode mode = ConnectionMode::bidirectional;
  std::vector<std::string> source_endpoints, destination_endpoints;
  bool allow_mismatching_ca = false;
  std::string service_type;
  std::string chart;
  bool wait = false;
  std::string wait_duration = "15m";
  OutputFormat format = OutputFormat::text;
};

/// One cluster with its release, ready to be changed.
struct Side {
  Cluster cluster;
  Helm helm;
  json::object values;  // as they are
};

Result<Side> open_side(const Target& target) {
  auto program = find_helm();
  if (!program) return std::unexpected(program.error());
  auto cluster = Cluster::open(target);
  if (!cluster) return std::unexpected(cluster.error());
  Helm helm(*program, target);
  auto values = helm.values();
  if (!values && values.error().code == Errc::not_found)
    return fail(Errc::not_found,
                fmt::format("{}: Weft is not installed (no release {} in namespace {}); run weft install --context {}",
                            cluster->name(), target.release, target.ns, cluster->name()));
  if (!values) return fail(values.error().in(cluster->name()));
  return Side{std::move(*cluster), std::move(helm), std::move(*values)};
}

Target with_context(Target t, const std::string& context) {
  t.context = context;
  return t;
}

Result<std::string> mesh_missing(Cluster& c) {
  const auto in = c.mesh_input();
  if (!in) return std::unexpected(in.error());
  return mesh_report(*in).missing();
}

Result<std::chrono::seconds> wait_limit(const MeshFlags& f) {
  auto limit = parse_duration(f.wait_duration);
  if (!limit) return fail(limit.error().in("--wait-duration"));
  return limit;
}

int enable(Context& context, const MeshFlags& f) {
  const auto limit = wait_limit(f);
  if (!limit) return report(limit.error());
  const auto chart = find_chart(f.chart);
  if (!chart) return report(chart.error());
  auto side = open_side(context.target);
  if (!side) return report(side.error());
  const auto& name = side->cluster.name();
  const auto config = side->cluster.find(kube::kConfigMaps, context.target.ns, "weft-config");
  if (!config) return report(config.error());
  if (!*config || text(**config, {"data", "cluster-id"}) == "0")
    return report(
        {Errc::invalid,
         fmt::format("{}: cluster.id is 0, which means no mesh; give it a name and a number of its own first: "
                     "weft upgrade --context {} --set cluster.name=NAME,cluster.id=N",
                     name, name)});
  const auto nodes = side->cluster.list(kube::kNodes);
  if (!nodes) return report(nodes.error());
  const auto services = side->cluster.list(kube::kServices);
  if (!services) return report(services.error());
  std::string type = f.service_type;
  if (type.empty()) {
    const auto* given = at_path(side->values, "clustermesh.apiserver.service.type");
    if (given && given->is_string()) {
      type = std::string(given->as_string());
    } else if (const auto why = load_balancers_at_hand(*nodes, *services)) {
      type = "LoadBalancer";
      std::fprintf(stderr,
                   "ℹ️  LoadBalancer addresses are to be had here (%s): the mesh store gets one (--service-type decides "
                   "otherwise)\n",
                   why->c_str());
    } else {
      type = "NodePort";
      std::fprintf(stderr,
                   "ℹ️  No LoadBalancer addresses are to be had here: the mesh store is reached on a node port "
                   "(--service-type decides otherwise)\n");
    }
  }
  if (type == "NodePort") std::fprintf(stderr, "⚠️  %s\n", kNodePortWarning);
  if (type == "LoadBalancer" && load_balancer_would_wait(*nodes, *services))
    std::fprintf(stderr,
                 "⚠️  Nothing is known to give LoadBalancer addresses here: until Service clustermesh-apiserver has got "
                 "one no cluster can connect (--service-type NodePort needs none)\n");
  auto values = side->values;
  set_path(values, "clustermesh.useAPIServer", true);
  set_path(values, "clustermesh.apiserver.service.type", json::string(type));
  if (const auto r = side->helm.upgrade_to(*chart, values); !r) return report(r.error().in(name));
  if (f.wait) {
    const auto r = wait_until(*limit, [&]() -> Result<std::string> {
      const auto in = side->cluster.mesh_input();
      if (!in) return std::unexpected(in.error());
      return mesh_report(*in).trouble;
    });
    if (!r) return report(r.error().in(name));
  }
  std::printf("✅ Cluster mesh is enabled in %s (service type %s)%s\n", name.c_str(), type.c_str(),
              f.wait ? ", the mesh store is ready" : "; weft clustermesh status --wait waits for it");
  return 0;
}

int disable(Context& context, const MeshFlags& f) {
  const auto chart = find_chart(f.chart);
  if (!chart) return report(chart.error());
  auto side = open_side(context.target);
  if (!side) return report(side.error());
  const auto& name = side->cluster.name();
  const auto remotes = mesh_clusters(side->values);
  if (!remotes) return report(remotes.error().in(name));
  for (const auto& r : *remotes)
    std::fprintf(stderr, "⚠️  %s stays configured here; weft clustermesh disconnect takes it away on both sides\n",
                 r.name.c_str());
  auto values = side->values;
  set_path(values, "clustermesh.useAPIServer", false);
  if (const auto r = side->helm.upgrade_to(*chart, values); !r) return report(r.error().in(name));
  std::printf("✅ Cluster mesh is disabled in %s\n", name.c_str());
  return 0;
}

std::string joined(const std::vector<std::string>& names, const char* by) {
  std::string out;
  for (const auto& n : names) out += (out.empty() ? "" : by) + n;
  return out;
}

Result<> destinations_given(const Context& context, const MeshFlags& f) {
  if (f.destinations.empty())
    return fail(Errc::invalid, "--destination-context is missing: name the kubeconfig context of the other cluster");
  std::set<std::string> seen{context.target.context};
  for (const auto& d : f.destinations)
    if (!seen.insert(d).second)
      return fail(Errc::invalid,
                  fmt::format("--destination-context {}: {}", d,
                              d == context.target.context ? "is the context to connect from; name another"
                                                          : "given twice; leave one out"));
  return {};
}

/// Upgrades the sides whose values changed, one after the other.
Result<> apply(std::vector<Side>& sides, const std::vector<json::object>& wanted, const std::string& chart,
               std::string_view again) {
  std::vector<std::string> done;
  for (std::size_t i = 0; i < sides.size(); ++i) {
    if (wanted[i] == sides[i].values) continue;
    std::fprintf(stderr, "⚙️  Configuring %s\n", sides[i].cluster.name().c_str());
    if (const auto r = sides[i].helm.upgrade_to(chart, wanted[i]); !r) {
      const std::string half =
          done.empty() ? "nothing was changed" : fmt::format("{} is configured already", joined(done, ", "));
      return fail(r.error().code, fmt::format("{}: {} ({}; mend this and run weft clustermesh {} again)",
                                              sides[i].cluster.name(), r.error().message, half, again));
    }
    done.push_back(sides[i].cluster.name());
  }
  return {};
}

int connect(Context& context, const MeshFlags& f) {
  const auto limit = wait_limit(f);
  if (!limit) return report(limit.error());
  if (const auto r = destinations_given(context, f); !r) return report(r.error());
  if (f.destinations.size() > 1 && !f.destination_endpoints.empty())
    return report({Errc::invalid,
                   "--destination-endpoint: cannot belong to several destination contexts; connect them one by one"});
  const auto chart = find_chart(f.chart);
  if (!chart) return report(chart.error());

  std::vector<Side> sides;
  std::vector<AccessInfo> access;
  std::vector<std::string> contexts{context.target.context};
  contexts.insert(contexts.end(), f.destinations.begin(), f.destinations.end());
  for (const auto& c : contexts) {
    auto side = open_side(with_context(context.target, c));
    if (!side) return report(side.error());
    for (const auto& other : sides)
      if (other.cluster.name() == side->cluster.name())
        return report(
            {Errc::invalid, fmt::format("--destination-context {}: is the context to connect from; name another",
                                        side->cluster.name())});
    std::fprintf(stderr, "✨ Reading how to reach %s\n", side->cluster.name().c_str());
    const auto objects = side->cluster.objects();
    if (!objects) return report(objects.error());
    auto info = access_info(*objects);
    if (!info) return report(info.error());
    const bool source = sides.empty();
    if (info->service_type == "NodePort" && (source ? f.source_endpoints : f.destination_endpoints).empty())
      std::fprintf(stderr, "⚠️  %s\n", kNodePortWarning);
    if (const auto r = override_endpoints(*info, source ? f.source_endpoints : f.destination_endpoints,
                                          source ? "--source-endpoint" : "--destination-endpoint");
        !r)
      return report(r.error());
    sides.push_back(std::move(*side));
    access.push_back(std::move(*info));
  }

  const auto pairs = connections(sides.size(), f.mode);
  std::vector<std::string> why;
  std::set<std::pair<std::size_t, std::size_t>> looked;
  for (const auto& [a, b] : pairs) {
    if (!looked.insert({std::min(a, b), std::max(a, b)}).second) continue;
    for (auto& r : refusals(access[a], access[b], f.allow_mismatching_ca)) why.push_back(std::move(r));
    for (const auto& r : remarks(access[a], access[b])) std::fprintf(stderr, "⚠️  %s\n", r.c_str());
  }
  if (!why.empty()) {
    for (const auto& w : why) std::fprintf(stderr, "❌ %s\n", w.c_str());
    std::fprintf(stderr, "Error: the clusters cannot be connected; nothing was changed\n");
    return 1;
  }

  std::vector<json::object> wanted;
  for (const auto& s : sides) wanted.push_back(s.values);
  for (const auto& [a, b] : pairs) {
    wanted[a] = connected_values(std::move(wanted[a]), access[b]);
    if (same_authority(access[a], access[b])) continue;
    // Both ends of a TLS connection check the other, whoever opened it.
    wanted[a] = trusting_values(std::move(wanted[a]), access[b]);
    wanted[b] = trusting_values(std::move(wanted[b]), access[a]);
  }
  for (const auto& [a, b] : pairs) {
    wanted[a] = letting_read(std::move(wanted[a]), access[a].cluster, access[b].cluster, &wanted[b]);
    wanted[b] = letting_read(std::move(wanted[b]), access[b].cluster, access[a].cluster, &wanted[a]);
  }
  if (const auto r = apply(sides, wanted, *chart, "connect"); !r) return report(r.error());

  if (f.wait) {
    const auto r = wait_until(*limit, [&]() -> Result<std::string> {
      std::string missing;
      for (auto& s : sides) {
        const auto m = mesh_missing(s.cluster);
        if (!m) return std::unexpected(m.error());
        if (!m->empty()) missing += fmt::format("{}{}: {}", missing.empty() ? "" : "; ", s.cluster.name(), *m);
      }
      return missing;
    });
    if (!r) return report(r.error());
  }
  std::vector<std::string> names;
  for (const auto& a : access) names.push_back(a.cluster);
  if (f.mode == ConnectionMode::mesh) {
    std::printf("✅ Connected clusters %s!\n", joined(names, ", ").c_str());
  } else {
    for (std::size_t i = 1; i < names.size(); ++i)
      std::printf("✅ Connected cluster %s %s %s!\n", names[0].c_str(),
                  f.mode == ConnectionMode::unicast ? "=>" : "<=>", names[i].c_str());
  }
  return 0;
}

int disconnect(Context& context, const MeshFlags& f) {
  const auto limit = wait_limit(f);
  if (!limit) return report(limit.error());
  if (const auto r = destinations_given(context, f); !r) return report(r.error());
  const auto chart = find_chart(f.chart);
  if (!chart) return report(chart.error());
  std::vector<Side> sides;
  std::vector<std::string> names;  // cluster.name of each, also of one that cannot be reached
  std::vector<std::optional<std::size_t>> side_of;
  std::vector<std::string> contexts{context.target.context};
  contexts.insert(contexts.end(), f.destinations.begin(), f.destinations.end());
  for (const auto& c : contexts) {
    const auto target = with_context(context.target, c);
    auto side = open_side(target);
    Result<std::optional<json::object>> config =
        side ? side->cluster.find(kube::kConfigMaps, target.ns, "weft-config")
             : Result<std::optional<json::object>>(std::unexpected(side.error()));
    const std::string name = config && *config ? text(**config, {"data", "cluster-name"}) : std::string();
    if (!name.empty()) {
      side_of.emplace_back(sides.size());
      sides.push_back(std::move(*side));
      names.push_back(name);
      continue;
    }
    // A cluster that is gone for good has to be disconnected too: its context is then taken for its name.
    const auto why = !config ? config.error() : Error{Errc::not_found, fmt::format("{}: no ConfigMap weft-config", c)};
    const auto known = sides.empty() ? std::vector<MeshCluster>()
                                     : mesh_clusters(sides[0].values).value_or(std::vector<MeshCluster>());
    const bool ours = std::any_of(known.begin(), known.end(), [&](const MeshCluster& m) { return m.name == c; });
    if (!ours) return report(why);
    std::fprintf(stderr, "⚠️  %s cannot be read (%s): disconnecting the other side only\n", c.c_str(),
                 why.message.c_str());
    side_of.emplace_back();
    names.push_back(c);
  }
  std::vector<json::object> wanted;
  for (const auto& s : sides) wanted.push_back(s.values);
  for (const auto& [a, b] : connections(names.size(), f.mode))
    if (side_of[a]) wanted[*side_of[a]] = disconnected_values(std::move(wanted[*side_of[a]]), names[b]);
  // Both ends of a connection trust each other's authority; where none is left in either direction, nobody has to.
  for (const auto& [a, b] : connections(names.size(), f.mode)) {
    const bool left =
        (side_of[a] && knows(wanted[*side_of[a]], names[b])) || (side_of[b] && knows(wanted[*side_of[b]], names[a]));
    const auto let = [&](std::size_t reader, std::size_t read) {
      if (!side_of[read]) return;
      auto& values = wanted[*side_of[read]];
      const auto* theirs = side_of[reader] ? &wanted[*side_of[reader]] : nullptr;
      values = letting_read(std::move(values), names[read], names[reader], theirs);
    };
    let(a, b);
    let(b, a);
    if (left) continue;
    if (side_of[a]) wanted[*side_of[a]] = distrusting_values(std::move(wanted[*side_of[a]]), names[b]);
    if (side_of[b]) wanted[*side_of[b]] = distrusting_values(std::move(wanted[*side_of[b]]), names[a]);
  }
  if (const auto r = apply(sides, wanted, *chart, "disconnect"); !r) return report(r.error());
  for (std::size_t i = 0; i < sides.size(); ++i) {
    const auto* mode = at_path(sides[i].values, "clustermesh.apiserver.tls.authMode");
    if (!mode || *mode != json::value("cluster")) continue;
    const auto lost = [&](const std::string& n) { return may_read(sides[i].values, n) && !may_read(wanted[i], n); };
    if (std::none_of(names.begin(), names.end(), lost)) continue;
    std::fprintf(
        stderr,
        "ℹ️  %s: who is disconnected can ask its mesh store for nothing more; a watch that is open ends with its "
        "connection, or at once with kubectl --context %s -n %s rollout restart deployment "
        "clustermesh-apiserver\n",
        sides[i].cluster.name().c_str(), sides[i].cluster.name().c_str(), context.target.ns.c_str());
  }
  if (f.wait) {
    const auto r = wait_until(*limit, [&]() -> Result<std::string> {
      for (auto& s : sides) {
        const auto in = s.cluster.mesh_input();
        if (!in) return std::unexpected(in.error());
        if (const auto m = mesh_report(*in); !m.notes.empty()) return s.cluster.name() + ": " + m.notes[0];
      }
      return std::string();
    });
    if (!r) return report(r.error());
  }
  if (f.mode == ConnectionMode::mesh) {
    std::printf("✅ Disconnected clusters %s!\n", joined(names, ", ").c_str());
  } else {
    for (std::size_t i = 1; i < names.size(); ++i)
      std::printf("✅ Disconnected clusters %s %s %s!\n", names[0].c_str(),
                  f.mode == ConnectionMode::unicast ? "x>" : "<x>", names[i].c_str());
  }
  return 0;
}

int status(Context& context, const MeshFlags& f) {
  const auto limit = wait_limit(f);
  if (!limit) return report(limit.error());
  auto cluster = Cluster::open(context.target);
  if (!cluster) return report(cluster.error());
  if (f.wait) {
    // What is still missing in the end is shown below, like any other state.
    const auto r = wait_until(*limit, [&] { return mesh_missing(*cluster); });
    if (!r && r.error().code != Errc::timeout) return report(r.error());
  }
  const auto in = cluster->mesh_input();
  if (!in) return report(in.error());
  const auto r = mesh_report(*in);
  if (f.format == OutputFormat::text) {
    std::fputs(render(r, colours_wanted()).c_str(), stdout);
  } else {
    print(to_json(r), f.format);
  }
  return r.ready() ? 0 : 1;
}

using Action = int (*)(Context&, const MeshFlags&);

CLI::App* add(CLI::App& parent, Context& context, const char* name, const char* help, Action action,
              const std::shared_ptr<MeshFlags>& flags, bool waits, bool changes) {
  auto* cmd = parent.add_subcommand(name, help);
  cmd->fallthrough();
  if (waits) {
    cmd->add_flag("--wait", flags->wait, "Wait until it is done and every agent agrees");
    cmd->add_option("--wait-duration", flags->wait_duration, "How long to wait at most")->capture_default_str();
  }
  if (changes)
    cmd->add_option("--chart-directory", flags->chart, "A chart instead of the one that came with this program");
  cmd->callback(
      [&context, action, flags] { context.action = [&context, action, flags] { return action(context, *flags); }; });
  return cmd;
}

void add_destinations(CLI::App* cmd, const std::shared_ptr<MeshFlags>& flags) {
  static const std::map<std::string, ConnectionMode> modes{{"bidirectional", ConnectionMode::bidirectional},
                                                           {"unicast", ConnectionMode::unicast},
                                                           {"mesh", ConnectionMode::mesh}};
  cmd->add_option("--destination-context", flags->destinations,
                  "The kubeconfig context of the other cluster; several joined by ','")
      ->delimiter(',')
      ->allow_extra_args(false);
  cmd->add_option("--connection-mode", flags->mode,
                  "bidirectional: with each of the others; unicast: one way; mesh: all with all")
      ->transform(CLI::CheckedTransformer(modes, CLI::ignore_case).description(""))
      ->default_str("bidirectional");
}

}  // namespace

void add_clustermesh_commands(CLI::App& app, Context& context) {
  auto* mesh = app.add_subcommand("clustermesh", "Join clusters into one network");
  mesh->fallthrough()->require_subcommand(1);
  auto flags = [] { return std::make_shared<MeshFlags>(); };

  auto f = flags();
  auto* cmd = add(*mesh, context, "enable", "Let other clusters connect to this one", enable, f, true, true);
  cmd->add_option("--service-type", f->service_type, "How others reach the mesh store; found out when not given")
      ->check(CLI::IsMember({"NodePort", "LoadBalancer"}));

  add(*mesh, context, "disable", "Stop letting other clusters connect", disable, flags(), false, true);

  f = flags();
  cmd = add(*mesh, context, "connect", "Connect this cluster with others, configuring both sides", connect, f, true,
            true);
  add_destinations(cmd, f);
  cmd->add_option("--source-endpoint", f->source_endpoints,
                  "address:port at which the others reach this cluster, instead of what is found")
      ->delimiter(',')
      ->allow_extra_args(false);
  cmd->add_option("--destination-endpoint", f->destination_endpoints,
                  "address:port at which this cluster reaches the other")
      ->delimiter(',')
      ->allow_extra_args(false);
  cmd->add_flag("--allow-mismatching-ca", f->allow_mismatching_ca,
                "Let clusters with different certificate authorities trust each other's");

  f = flags();
  cmd = add(*mesh, context, "disconnect", "Undo connect, on both sides", disconnect, f, true, true);
  add_destinations(cmd, f);

  f = flags();
  cmd = add(*mesh, context, "status",
            "Say whether every agent is connected to every remote cluster; the exit status is 0 when so", status, f,
            true, false);
  add_output_option(*cmd, f->format);
}

}  // namespace weft::cli

# Sourced by ./palimpsest: everything that `./palimpsest test` does.

test_servers=(rabbitmq-server redis-server postgresql chromium docker-compose)

server_present() {
  case $1 in
    rabbitmq-server) [ -n "${RABBITMQ_URL:-}" ] || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] ;;
    redis-server) [ -n "${REDIS_URL:-}" ] || command -v redis-server >/dev/null ;;
    postgresql) [ -n "${POSTGRES_URL:-}" ] || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null ;;
    # Only its 'config' command, which needs no container engine.
    docker-compose) command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1 ;;
    chromium) command -v chromium >/dev/null || command -v chromium-browser >/dev/null ;;
  esac
}

install_servers() {
  local missing=() name
  for name in "${test_servers[@]}"; do
    server_present "$name" || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    fail "the tests need real servers and tools: install ${missing[*]} (Debian: sudo apt-get install ${missing[*]}), or set RABBITMQ_URL, REDIS_URL and POSTGRES_URL"
  fi
  say "Installing ${missing[*]} ..."
  # The tests start their own instances: the packages must not start theirs.
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    made=1
  fi
  local status=0
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$root/artifacts/apt.log" 2>&1 || status=$?
  [ -n "$made" ] && rm -f "$policy"
  [ $status -eq 0 ] || fail "apt-get could not install ${missing[*]}; see artifacts/apt.log"
}

# Sums one attribute of the <Counters> of all result files.
count() {
  sed -n "s/.*<Counters.* $1=\"\([0-9]*\)\".*/\1/p" "$results"/*.trx 2>/dev/null | awk '{ sum += $1 } END { print sum + 0 }'
}

run_tests() {
  local filter=() status=0 project
  [ $# -gt 0 ] && filter=(--filter "$1")
  mkdir -p "$root/artifacts"
  need_tools
  install_servers
  need_packages "$root/services/shared/native"
  need_packages "$root/tests/npm"
  build "$root/tests/Tests/Palimpsest.Tests.csproj"
  build "$root/tests/IntegrationTests/Palimpsest.IntegrationTests.csproj"
  results=$root/artifacts/test-results
  # The long ledger is one test.
  local hang=5m
  [ -n "${PALIMPSEST_LEDGER:-}" ] && hang=90m
  rm -rf "$results"
  for project in Tests IntegrationTests; do
    dotnet test "$root/tests/$project/Palimpsest.$project.csproj" -c Release --no-build --nologo -v q "${filter[@]}" \
      --results-directory "$results" --logger "trx;LogFileName=$project.trx" --logger "console;verbosity=minimal" --blame-hang --blame-hang-timeout "$hang" || status=1
    # A run that died writes no results: that is a failure, not silence.
    [ -f "$results/$project.trx" ] || { say "$project produced no results"; status=1; died=$((${died:-0} + 1)); }
  done
  local passed failed skipped
  passed=$(count passed)
  failed=$(($(count failed) + ${died:-0}))
  skipped=$(($(count total) - $(count executed)))
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] || status=1
  echo "$passed passed, $failed failed, $skipped skipped"
  exit $status
}

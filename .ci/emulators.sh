# Starts other implementations of AWS's APIs, and installs one of TOTP, in exact versions. Other scripts source this file. Their EXIT trap must
# call end_emulators.

emulators="$PWD/target/ci-tools/emulators"
emulators_wanted=(ministack==1.5.33 'moto[server]==5.2.5' awscli==1.46.3 cryptography==50.0.2 pyotp==2.12.0)
# An independent SES. It needs Node 20.19 or newer.
ses_wanted=aws-ses-v2-local@2.10.2
emulators_running=()
# With AUTH=true ministack accepts only this key, and verifies every signature with it.
export AWS_ACCESS_KEY_ID=AKIAINDEPENDENT00001 AWS_SECRET_ACCESS_KEY=independent-engines AWS_REGION=eu-west-3 AWS_DEFAULT_REGION=eu-west-3

if [ "$(cat "$emulators/.installed" 2>/dev/null)" != "${emulators_wanted[*]}" ]; then
    python3 -m venv "$emulators"
    "$emulators/bin/pip" install --quiet --disable-pip-version-check "${emulators_wanted[@]}"
    echo "${emulators_wanted[*]}" >"$emulators/.installed"
fi

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# start_emulator NAME PORT COMMAND…: starts the command and returns when it listens on the port.
start_emulator() {
    local name=$1 port=$2 log="$emulators/$1-$2.log"
    shift 2
    "$@" >"$log" 2>&1 &
    emulators_running+=($!)
    for _ in $(seq 120); do
        if python3 -c "import socket; socket.create_connection(('127.0.0.1', $port), 1)" 2>/dev/null; then return; fi
        kill -0 "${emulators_running[-1]}" 2>/dev/null || break
        sleep 0.5
    done
    echo "$name does not start:" >&2
    cat "$log" >&2
    return 1
}

start_ministack() { start_emulator ministack "$1" env AUTH=true GATEWAY_PORT="$1" BIND_HOST=127.0.0.1 "$emulators/bin/ministack"; }

# Installs it first.
start_ses() {
    if [ "$(cat "$emulators/ses/.installed" 2>/dev/null)" != "$ses_wanted" ]; then
        npm install --prefix "$emulators/ses" --save-exact --no-audit --no-fund --ignore-scripts --silent "$ses_wanted"
        echo "$ses_wanted" >"$emulators/ses/.installed"
    fi
    start_emulator ses "$1" node "$emulators/ses/node_modules/aws-ses-v2-local/dist/cli.js" --host 127.0.0.1 --port "$1"
}

start_moto() { start_emulator moto "$1" "$emulators/bin/moto_server" --host 127.0.0.1 --port "$1"; }

end_emulators() {
    [ ${#emulators_running[@]} = 0 ] && return
    kill "${emulators_running[@]}" 2>/dev/null || true
    wait "${emulators_running[@]}" 2>/dev/null || true
}

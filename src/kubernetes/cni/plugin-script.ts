// The chained CNI plug-in, as the text of a shell script: any node has a shell, and nothing else has to be there. In: where the
// agent is asked and where kubelet keeps its pods. Out: a program that the container runtime calls before a pod's first container
// runs. Pods without our proxy pass at once, without the agent; the others wait for their redirect, or do not start.
// https://www.cni.dev/docs/spec/

export interface PluginPlaces {
	/** Directory of questions and answers, on the node and in the agent's container alike. */
	readonly exchange: string;
	/** Default `/var/lib/kubelet`. */
	readonly kubelet?: string;
	/** How long an agent that restarts is waited for; then the sandbox fails, and kubelet tries again. Default 20 s. */
	readonly waitSeconds?: number;
}

export const pluginName = "keepmesh-cni";
/** Volume of every pod that has our proxy; Istio's own pods have it as well, but also the other. */
const ownVolume = "istio-envoy";
const istioVolume = "istio-data";
/** "Try again later." */
const errorCode = 11;

export function renderPlugin({ exchange, kubelet = "/var/lib/kubelet", waitSeconds = 20 }: PluginPlaces): string {
	return `#!/bin/sh
# Keepmesh: before the first container of a pod runs, its connections are redirected. Installed and kept up to date by the node
# agent (keepmesh node --kubernetes), which is asked by a file in ${exchange} and answers through a pipe beside it.
exchange=${quote(exchange)}
kubelet=${quote(kubelet)}
input=$(cat)

# The text between the braces that follow "prevResult".
previous() {
	rest=\${input#*\\"prevResult\\":} depth=0 result=
	[ "$rest" != "$input" ] || return 0
	while :; do
		head=\${rest%%[\\{\\}]*}
		tail=\${rest#"$head"}
		char=\${tail%"\${tail#?}"}
		result=$result$head$char rest=\${tail#?}
		case $char in
		'{') depth=$((depth + 1)) ;;
		'}') depth=$((depth - 1)) ;;
		*) return 1 ;;
		esac
		[ "$depth" -gt 0 ] || return 0
	done
}
pass() {
	previous
	printf '%s\\n' "$result"
	exit 0
}
fail() {
	printf '{"cniVersion":"1.0.0","code":${errorCode},"msg":"keepmesh: %s"}\\n' "$1"
	exit 1
}

case $CNI_COMMAND in
VERSION)
	echo '{"cniVersion":"1.1.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}'
	exit 0
	;;
ADD) ;;
*) exit 0 ;;
esac

uid=\${CNI_ARGS#*K8S_POD_UID=}
[ "$uid" != "$CNI_ARGS" ] || uid=
uid=\${uid%%;*}
volumes=$kubelet/pods/$uid/volumes/kubernetes.io~empty-dir
if [ -n "$uid" ]; then
	[ -d "$volumes/${ownVolume}" ] || pass
	[ ! -d "$volumes/${istioVolume}" ] || pass
fi

[ -d "$exchange" ] || fail "its node agent has not started yet"
question=$exchange/$CNI_CONTAINERID.$$
mkfifo -m 600 "$question.answer" || fail "no pipe can be made in $exchange"
trap 'rm -f "$question".*' EXIT
exec 3<>"$question.answer"
printf '%s\\n' "$CNI_NETNS" "$CNI_ARGS" >"$question.new"
printf '%s' "$input" | tr -d '\\n' >>"$question.new"
mv "$question.new" "$question.request"
# The runtime waits for whatever holds its pipes.
(
	exec >/dev/null 2>&1 </dev/null
	sleep ${waitSeconds}
	echo "its node agent does not answer" >&3
) &
timer=$!
read -r answer <&3
kill "$timer" 2>/dev/null
[ "$answer" = ok ] || fail "$answer"
pass
`;
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

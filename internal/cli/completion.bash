# Completion for bash: source <(PROGRAM completion bash)
_PROGRAM_complete() {
	local word rest
	COMPREPLY=()
	while IFS=$'\t' read -r word rest; do
		COMPREPLY+=("$word")
	done < <(PROGRAM __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
# Where the program knows no word, a file is meant.
complete -o default -F _PROGRAM_complete PROGRAM

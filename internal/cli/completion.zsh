#compdef PROGRAM
# Completion for zsh: source <(PROGRAM completion zsh), after compinit
_PROGRAM() {
	local line word
	local -a found
	while IFS= read -r line; do
		word=${line%%$'\t'*}
		if [[ $line == *$'\t'* ]]; then
			found+=("${word//:/\\:}:${line#*$'\t'}")
		else
			found+=("${word//:/\\:}")
		fi
	done < <(PROGRAM __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
	# Where the program knows no word, a file is meant.
	if (( ${#found} )); then
		_describe PROGRAM found
	else
		_files
	fi
}
compdef _PROGRAM PROGRAM

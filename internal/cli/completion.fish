# Completion for fish: PROGRAM completion fish > ~/.config/fish/completions/PROGRAM.fish
function __PROGRAM_complete
	set -l words (commandline -opc) (commandline -ct)
	set -l found (PROGRAM __complete $words[2..-1] 2>/dev/null)
	# Where the program knows no word, a file is meant.
	if test (count $found) -gt 0
		printf '%s\n' $found
	else
		__fish_complete_path (commandline -ct)
	end
end
complete -c PROGRAM -f -a '(__PROGRAM_complete)'

_swamp() {
    # Readline splits words at `:` and `=` too. They are put together again, and what was completed is cut off again.
    local line=${COMP_LINE:0:COMP_POINT} words=() word last=0
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#words[@]} -eq 0 || $line == [[:space:]]* ]]; then
            words+=("$word")
            line=${line#"${line%%[![:space:]]*}"}
        else
            words[last]+=$word
        fi
        last=$((${#words[@]} - 1))
        line=${line#"$word"}
    done
    # The cursor may stand within the last word.
    words[last]=${words[last]%"$line"}
    local current=${words[last]//\\/} IFS=$'\013'
    words[last]=$current
    COMPREPLY=($(_CLAP_IFS=$IFS _CLAP_COMPLETE_INDEX=$last SWAMP_COMPLETE=bash swamp -- "${words[@]}" 2>/dev/null))
    local files=1
    for word in "${COMPREPLY[@]}"; do
        [[ -e ${word/#\~/$HOME} ]] || files=
    done
    # Spaces in the names of files are quoted, and a directory may be completed further.
    if [[ -n $files ]]; then
        compopt -o filenames 2>/dev/null
    fi
    case ${COMPREPLY-} in
    *[/=]) compopt -o nospace 2>/dev/null ;;
    esac
    if [[ $current == *[:=]* && $COMP_WORDBREAKS == *:* ]]; then
        local done=${current%"${current##*[:=]}"}
        COMPREPLY=("${COMPREPLY[@]#"$done"}")
    fi
    # What readline does not quote itself could be run when the line is.
    if [[ -z $files ]]; then
        local place
        for place in "${!COMPREPLY[@]}"; do
            word=${COMPREPLY[place]}
            case $word in
            '~/'*) printf -v COMPREPLY[place] '~/%q' "${word#\~/}" ;;
            *) printf -v COMPREPLY[place] %q "$word" ;;
            esac
        done
    fi
}
complete -o bashdefault -F _swamp swamp

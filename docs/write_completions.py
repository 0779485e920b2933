"""Writes the completions of `zkelect` for bash, zsh and fish below share/, from the parser of the command line.

    python -m docs.write_completions

Names of elections and nodes are asked for when a key is pressed: `zkelect __complete elections|nodes [ELECTION]`.
"""

from __future__ import annotations

import re
from typing import Dict, Iterable, List, Set

from docs import command_line
from docs.command_line import Argument, Command, Option
from docs.write_manual import write

_MADE = "# Made by python -m docs.write_completions."
_ASKED = {"ELECTION": "elections", "NODE": "nodes"}
"""What is asked for, by what a word is."""


def _names(options: Iterable[Option]) -> List[str]:
    return [word for option in options for word in option.words]


def _shared() -> List[Option]:
    return command_line.shared()[2]


def _kind(value: str) -> str:
    """Of a word: "elections", "nodes", "files", or "" for what nobody can know."""
    return _ASKED.get(value, "files" if value == "FILE" else "")


def _own(one: Command) -> Set[str]:
    """The words of a command's own options."""
    return set(_names(one.options))


def _takes(one: Command) -> List[Option]:
    """All options of a command, with what words of those of all commands its own leave to them."""
    common = [*(_shared() if one.shared else []), *([command_line.OUTPUT] if one.json else [])]
    left = [option._replace(words=tuple(word for word in option.words if word not in _own(one))) for option in common]
    return [*one.options, *left, command_line.HELP]


# bash

_BASH = """\
{made}
_zkelect() {{
    local line=${{COMP_LINE:0:COMP_POINT}} cur piece head="" i
    local -a words=()
    # Readline parts words at : and =, too. What follows another one without a blank is of the same word.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        cur=${{line#"${{line%%[![:space:]]*}}"}}
        piece=${{COMP_WORDS[i]}}
        ((i < COMP_CWORD)) || piece=$cur
        if ((i > 0)) && [[ -n $line && $line == "$cur" ]]; then
            words[${{#words[@]}}-1]+=$piece
        else
            words+=("$piece")
        fi
        line=${{cur#"$piece"}}
    done
    local last=$((${{#words[@]}} - 1))
    local typed=${{words[last]}}
    cur=$typed
    COMPREPLY=()
    _zkelect_replies
    # It puts the reply in place of what it takes for the word, which is $2.
    COMPREPLY=("${{COMPREPLY[@]/#/"$head"}}")
    COMPREPLY=("${{COMPREPLY[@]#"${{typed%"$2"}}"}}")
}}
_zkelect_replies() {{
    local command="" value="" place=0 election="" i word
    local -a login=()
    for ((i = 1; i < last; i++)); do
        word=${{words[i]}}
        if [[ -n $value ]]; then
            # Whoever says where supervisord is wants the names from there.
            case $command/$value in
                {apart}) ;;
                */-c | */--configuration | */-s | */--serverurl | */--supervisor-conf) login+=("$value" "$word") ;;
            esac
            value=""
        else
            case $word in
                {valued}) value=$word ;;
                --configuration=* | --serverurl=* | --supervisor-conf=*) login+=("$word") ;;
                -*) ;;
                *)
                    if [[ -z $command ]]; then
                        command=$word
                    else
                        case $command/$place in {chosen}) ;; *) election=$word ;; esac
                        ((++place))
                    fi
                    ;;
            esac
        fi
    done
    if [[ -z $value && $cur == --*=* ]]; then
        value=${{cur%%=*}} head=${{cur%%=*}}= cur=${{cur#*=}}
    fi
    if [[ -n $value ]]; then
        case $command/$value in
            {apart}) ;;
{values}
        esac
        return
    fi
    if [[ $cur == -* ]]; then
        case $command in
{options}
        esac
        return
    fi
    case $command/$place in
        /0) COMPREPLY=($(compgen -W "{commands}" -- "$cur")) ;;
{arguments}
    esac
}}
_zkelect_names() {{
    local what=$1
    shift
    COMPREPLY=($(compgen -W "$(zkelect __complete "$@" "$what" $election 2>/dev/null)" -- "$cur"))
}}
complete -F _zkelect zkelect
"""

_BASH_DONE = {
    "elections": '_zkelect_names elections "${login[@]}"', "nodes": '_zkelect_names nodes "${login[@]}"',
    "files": 'COMPREPLY=($(compgen -f -- "$cur"))',
}


def bash() -> str:
    """bash's."""
    found = command_line.commands()
    every = [*_shared(), *(option for one in found for option in one.options)]
    valued = sorted({word for option in every if option.value for word in option.words})
    kinds: Dict[str, List[str]] = {}
    for option in every:
        if _kind(option.value):
            kinds.setdefault(_kind(option.value), []).extend(word for word in option.words)
    values = [
        f"            {' | '.join(f'*/{word}' for word in sorted(set(words)))}) {_asked(kind)} ;;"
        for kind, words in sorted(kinds.items())
    ]
    apart = [f"{one.name}/{word}" for one in found if one.shared for word in sorted(_own(one) & set(_names(_shared())))]
    program = [*_shared(), *command_line.program()]
    options = [f'            "") COMPREPLY=($(compgen -W "{" ".join(_names(program))}" -- "$cur")) ;;']
    arguments = ['        run/*) COMPREPLY=($(compgen -c -- "$cur")) ;;']
    chosen = [f"{one.name}/{place}" for one in found for place, argument in enumerate(one.arguments) if argument.choices]
    for one in found:
        options.append(f'            {one.name}) COMPREPLY=($(compgen -W "{" ".join(_names(_takes(one)))}" -- "$cur")) ;;')
        for place, argument in enumerate(one.arguments):
            if argument.choices:
                done = f'COMPREPLY=($(compgen -W "{" ".join(argument.choices)}" -- "$cur"))'
            elif _kind(argument.value):
                done = _asked(_kind(argument.value), first=True)
            else:
                continue
            arguments.append(f"        {one.name}/{place}) {done} ;;")
    return _BASH.format(
        made=_MADE, valued=" | ".join(valued), values="\n".join(values), options="\n".join(options),
        commands=" ".join(one.name for one in found), arguments="\n".join(arguments), chosen=" | ".join(chosen) or '""',
        apart=" | ".join(apart) or '""',
    )


def _asked(kind: str, first: bool = False) -> str:
    """first: the word is the election itself, so none is named before it."""
    return ('election=""; ' if first else "") + _BASH_DONE[kind]


# zsh

_ZSH = """\
#compdef zkelect
{made}
_zkelect_elections() {{
    local -a found=(${{(f)"$(zkelect __complete elections 2>/dev/null)"}})
    compadd -a found
}}
_zkelect_nodes() {{
    local -a found=(${{(f)"$(zkelect __complete nodes 2>/dev/null)"}})
    compadd -a found
}}
_zkelect() {{
    local context state line
    typeset -A opt_args
    _arguments -C \\
{shared}
        '1:command:->command' '*::argument:->argument'
    case $state in
        command)
            local -a commands=(
{commands}
            )
            _describe command commands
            ;;
        argument)
            case $words[1] in
{cases}
            esac
            ;;
    esac
}}
_zkelect "$@"
"""
_ZSH_DONE = {"elections": "_zkelect_elections", "nodes": "_zkelect_nodes", "files": "_files", "": " "}


def _single(words: str) -> str:
    """Within single quotes, of zsh and of bash."""
    return words.replace("'", "'\\''")


def _zsh_option(one: Option) -> List[str]:
    text = _single(re.sub(r"([\[\]:\\])", r"\\\1", one.text))
    behind = f":{one.value.lower()}:{_ZSH_DONE[_kind(one.value)]}" if one.value else ""
    # One of the words is enough.
    either = f"({' '.join(one.words)})" if len(one.words) > 1 else ""
    return [f"'{either}{word}[{text}]{behind}'" for word in one.words]


def _zsh_argument(one: Argument) -> str:
    done = f"({' '.join(one.choices)})" if one.choices else _ZSH_DONE[_kind(one.value)]
    return f"'{':' * (1 + one.optional)}{one.value.lower()}:{done}'"


def zsh() -> str:
    """zsh's."""
    found = command_line.commands()
    cases = []
    for one in found:
        words = [word for option in _takes(one) for word in _zsh_option(option)]
        if one.name == "run":
            words, arguments = [], ["'*::command: _normal'"]
        else:
            arguments = [_zsh_argument(argument) for argument in one.arguments]
        lines = " \\\n".join(f"                        {word}" for word in [*words, *arguments])
        cases.append(f"                {one.name})\n                    _arguments \\\n{lines}\n                    ;;")
    program = [*_shared(), *command_line.program()]
    shared = " \\\n".join(f"        {word}" for option in program for word in _zsh_option(option))
    texts = [f"                '{one.name}:{_single(_brief(one).replace(':', chr(92) + ':'))}'" for one in found]
    return _ZSH.format(made=_MADE, shared=shared + " \\", commands="\n".join(texts), cases="\n".join(cases))


def _brief(one: Command) -> str:
    """What it does, in a few words."""
    return re.split(r"[;.,] |\.$", one.text.replace("`", ""))[0]


# fish

_FISH_DONE = {
    "elections": "(zkelect __complete elections 2>/dev/null)", "nodes": "(zkelect __complete nodes 2>/dev/null)",
}


def _fish_quoted(words: str) -> str:
    return "'" + words.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_option(where: str, one: Option) -> str:
    words = [f"-l {word[2:]}" if word.startswith("--") else f"-s {word[1:]}" for word in one.words]
    kind = _kind(one.value)
    # -r: with a value; -F: of which files are one, -f: or not.
    value = "" if not one.value else " -r -F" if kind == "files" else f" -x -a {_fish_quoted(_FISH_DONE.get(kind, ''))}"
    return f"complete -c zkelect{where} {' '.join(words)}{value} -d {_fish_quoted(one.text)}"


def fish() -> str:
    """fish's."""
    found = command_line.commands()
    names = " ".join(one.name for one in found)
    none = f" -n {_fish_quoted(f'not __fish_seen_subcommand_from {names}')}"
    everywhere = [*_shared(), command_line.HELP]
    lines = [_MADE, "complete -c zkelect -f", *(_fish_option("", option) for option in everywhere)]
    lines += [f"complete -c zkelect{none} -a {one.name} -d {_fish_quoted(_brief(one))}" for one in found]
    for one in found:
        where = f" -n {_fish_quoted(f'__fish_seen_subcommand_from {one.name}')}"
        own = [*one.options, *([command_line.OUTPUT] if one.json else [])]
        lines += [_fish_option(where, option) for option in own if not set(option.words) <= set(_names(_shared()))]
        words = [word for argument in one.arguments for word in argument.choices]
        words += [_FISH_DONE[_kind(argument.value)] for argument in one.arguments if _kind(argument.value) in _FISH_DONE]
        if words:
            lines.append(f"complete -c zkelect{where} -a {_fish_quoted(' '.join(words))}")
    return "\n".join(lines) + "\n"


def pages() -> Dict[str, str]:
    """The files, by their paths below share/."""
    return {
        "bash-completion/completions/zkelect": bash(), "zsh/site-functions/_zkelect": zsh(),
        "fish/vendor_completions.d/zkelect.fish": fish(),
    }


if __name__ == "__main__":
    write(pages())

# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/chat/templates.json: chat templates written here, with the constructs that models' own use, and what
transformers makes of them.

Run after make_tokenizers.py, with the same packages:   v/bin/python tests/golden/make_chat_templates.py
Keys: README.md beside this file.
"""
import datetime
import json
import pathlib

import jinja2
import tokenizers
import transformers
from tokenizers import AddedToken, Tokenizer
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

HERE = pathlib.Path(__file__).resolve().parent
VERSIONS = {"tokenizers": tokenizers.__version__, "transformers": transformers.__version__, "jinja2": jinja2.__version__}


class FixedDate(datetime.datetime):
    """PairLab's templates always see this day."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


chat_template_utils.datetime = FixedDate

# name -> tokenizer, special tokens it gets besides, tokens of tokenizer_config.json, the token that ends an answer, template
FAMILIES = {
    "headers": ("llama3", ["<|bot|>", "<|head|>", "<|/head|>", "<|eot|>"], {"bos_token": "<|bot|>", "eos_token": "<|eot|>"}, "<|eot|>", """\
{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "1 Jan 2000" %}
    {%- endif %}
{%- endif %}
{%- if not tools is defined %}{% set tools = none %}{% endif %}
{#- The system message comes out of the list. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|head|>system<|/head|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{{- "Knowledge ends: December 2023\\n" }}
{{- "Today: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|head|>' + message['role'] + '<|/head|>\\n\\n'+ message['content'] | trim + '<|eot|>' }}
    {%- elif 'tool_calls' in message %}
        {{- raise_exception("No calls here.") }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {{- "<|head|>ipython<|/head|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|head|>assistant<|/head|>\\n\\n' }}
{%- endif %}
"""),
    "instructions": ("mistral", ["[INST]", "[/INST]"], {"bos_token": "<s>", "eos_token": "</s>"}, "</s>", """\
{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined or tools is none %}{%- set tools = [] %}{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("user and assistant have to take turns: " ~ message["role"] ~ " at " ~ ns.index) }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST]" + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST]" + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are understood.") }}
    {%- endif %}
{%- endfor %}
"""),
    "brackets": ("llama2", [], {"bos_token": {"content": "<s>", "lstrip": False}, "eos_token": "</s>"}, "</s>",
                 "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}"
                 "{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}"
                 "{% for message in loop_messages %}"
                 "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Turns: user, assistant, user, ...') }}{% endif %}"
                 "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
                 "{% else %}{% set content = message['content'] %}{% endif %}"
                 "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
                 "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"),
    "thinking": ("qwen", [], {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}, "<|im_end|>", """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou help.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == "user" and message.content is string and not(message.content.startswith('<reply>') and message.content.endswith('</reply>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thoughts = '' %}
        {%- if message.thoughts is string %}
            {%- set thoughts = message.thoughts %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set thoughts = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thoughts)) %}
            {{- '<|im_start|>' + message.role + '\\n<think>\\n' + thoughts.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""),
    "lines": ("gpt2", ["<|user|>", "<|assistant|>", "<|system|>"], {"eos_token": "<|endoftext|>", "bos_token": "<|endoftext|>"}, "<|endoftext|>", """\
{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n'  + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
"""),
    "turns": ("mistral", ["<turn>", "</turn>"], {"bos_token": "<s>", "eos_token": "</s>"}, "</turn>",
              "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
              "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
              "{{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
              "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
              "{{ '<turn>' + role + '\\n' + message['content'] | trim + '</turn>\\n' }}{% endfor %}"
              "{% if add_generation_prompt %}{{'<turn>model\\n'}}{% endif %}"),
    "macros": ("gpt2", [], {"eos_token": "<|im_end|>"}, "<|im_end|>", """\
{%- macro turn(role, text, close=true) -%}
<|im_start|>{{ role | title }}
{{ text -}}
{% if close %}<|im_end|>{{ "\\n" }}{% endif %}
{%- endmacro -%}
{%- for message in messages if message.content -%}
  {%- if message.role == 'tool' %}{% continue %}{% endif -%}
  {%- if loop.index > 4 %}{% break %}{% endif -%}
  {{ turn(message.role, message.content) }}
{%- else -%}
  {{ turn('system', text='Nobody said anything.') }}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{ turn('assistant', '', close=false) }}
{%- endif -%}"""),
    "generation": ("gpt2", [], {"eos_token": "<|endoftext|>"}, "<|im_end|>",
                   "{%- for m in messages -%}{%- if m['role'] == 'assistant' -%}<|im_start|>assistant\n{% generation %}{{ m['content'] + '<|im_end|>' }}"
                   "{% endgeneration %}{{ '\\n' }}{%- else -%}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>{{ '\\n' }}{%- endif -%}"
                   "{%- endfor -%}{%- if add_generation_prompt -%}<|im_start|>assistant\n{%- endif -%}"),
    # no special token behind an answer: the model's eos ends it
    "sections": ("gpt2", [], {"eos_token": "<|endoftext|>"}, "<|endoftext|>",
                 "{% for message in messages %}### {{ message.role|capitalize }}:\n{{ message.content|trim }}\n\n{% endfor %}"
                 "{% if add_generation_prompt %}### Assistant:\n{% endif %}"),
}


def conversations():
    def say(role, text):
        return {"role": role, "content": text}
    user, assistant, system = (lambda t: say("user", t)), (lambda t: say("assistant", t)), (lambda t: say("system", t))
    return [
        [user("Hello")], [system("Be brief."), user("Hi")], [user("Hi"), assistant("Hello!")],
        [system("  You are kind.\n"), user(" Hi "), assistant("\nHello! \n"), user("Bye")], [user("")], [user("1"), user("2")],
        [user("a"), assistant("<think>\nhm\n</think>\n\nb"), user("c"), assistant("<think>x</think>d")],
        [user("{{ 1 + 1 }} {% if x %} {# no #}")], [user("\u4f60\u597d \U0001f642 caf\u00e9"), assistant("it's \"quoted\" \\n <b>&amp;</b>")],
        [system("S"), user("1"), assistant("2"), user("3"), assistant("4"), user("5")], [user("q"), {"role": "tool", "content": "{\"x\": 1}"}],
        [assistant("I begin")], [user("spells </s> <|im_end|> [INST] <turn>"), assistant("<|eot|>")], [system("only")],
    ]


# Small templates: messages are SNIPPET_MESSAGES, text = "A b_c, d", number = 7, items = [3, "x", None, True, 2.5], table = {"k": "v", "n": [1, {"z": None}]}
SNIPPET_MESSAGES = [{"role": "system", "content": " S\n"}, {"role": "user", "content": "Hi there"}, {"role": "assistant", "content": "Yo"}]
SNIPPETS = """
{{ 1 + 2 * 3 - 4 // 3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 2.5 * 2 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ - 3 + +4 }}
{{ 1e3 }} {{ 1.5e-7 }} {{ 1e22 }} {{ 0.1 + 0.2 }} {{ 100000000000000000 }} {{ 1_000 }} {{ 1e16 }} {{ 123456789.125 }}
{{ 'a' ~ 1 ~ none ~ true ~ 2.0 }} {{ 'ab' * 3 }} {{ 2 * 'x' }} {{ ([1] + [2, 3])|join('-') }} {{ ([0] * 3)|length }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ true == 1 }} {{ 'x' == none }} {{ [1, 'a'] == [1, 'a'] }} {{ {'a': 1} == {'a': 1.0} }} {{ 1 != 2 }}
{{ 'a' in 'cat' }} {{ 'z' not in 'cat' }} {{ 3 in items }} {{ 'k' in table }} {{ not 'q' in table }} {{ none in items }} {{ 'x' in undefined_thing }}
{{ true and false or 'yes' }} {{ '' or 'no' }} {{ 0 and 1 }} {{ not 0 }} {{ none or 0 or [] or 'end' }} {{ not true == false }}
{{ 'a' if number > 5 else 'b' }} {{ 'a' if number > 50 }}| {{ 'a' if false else 'b' if false else 'c' }} {{ ('a' if true else 'b') ~ 'z' }}
{{ text[0] }} {{ text[-1] }} {{ text[2:4] }} {{ text[:3] }} {{ text[::2] }} {{ text[::-1] }} {{ text[10:] }}| {{ text[99] }}| {{ items[1] }} {{ items[-1] }} {{ items[::-1]|first }} {{ items[1:3]|length }} {{ items[5:1:-2]|length }}
{{ table.k }} {{ table['k'] }} {{ table.n[1].z }} {{ table.none_such }}| {{ table['nothing'] is defined }} {{ table.n.0 }} {{ table.get('k') }} {{ table.get('x', 'dflt') }} {{ table.get('x') }}
{% for k, v in table.items() %}{{ k }}={{ v|tojson }};{% endfor %} {% for k in table %}{{ k }}{% endfor %} {{ table.keys()|join(',') }} {% for k, v in table|items %}{{ k }}{% endfor %} {{ table.values()|list|length }}
{% for x in items %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.first }}/{{ loop.last }}/{{ loop.length }} {% endfor %}
{% for x in [1,2,3] %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {{ loop.cycle('odd', 'even') }} {% for y in 'ab' %}{{ loop.depth }}{{ loop.depth0 }}{{ y }}{% endfor %}{{ loop.index }} {% endfor %}
{% for x in [] %}a{% else %}none{% endfor %} {% for x in range(3) %}{{ x }}{% endfor %} {% for x in range(5, 1, -2) %}{{ x }}{% endfor %} {% for x in range(2, 4) %}{{ x }}{% else %}e{% endfor %}
{% for x in range(10) if x is odd %}{{ loop.index }}:{{ x }} {% endfor %}{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }},{% endfor %}{% for (a, b) in [(1, 2)] %}{{ a }}{{ b }}{% endfor %}
{% for x in range(9) %}{% if x == 2 %}{% continue %}{% endif %}{% if x > 4 %}{% break %}{% endif %}{{ x }}{% endfor %}
{% set x = 1 %}{% for i in range(3) %}{{ x }}{% set x = x + 1 %}{{ x }} {% endfor %}{{ x }}{% if true %}{% set x = 'in if' %}{% endif %}{{ x }}
{% set ns = namespace(n=0, s='') %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% set ns.s = ns.s ~ i %}{% endfor %}{{ ns.n }} {{ ns.s }} {{ ns.missing }}| {{ ns.missing is defined }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set t = (1, 2, 3) %}{{ t|length }}{{ t[1] }} {% set body %}in {{ number }}!{% endset %}{{ body|upper }} {% set (c, d) = ['x', 'y'] %}{{ c ~ d }}
{{ undefined_thing }}| {{ undefined_thing is defined }} {{ undefined_thing is undefined }} {{ undefined_thing|default('d') }} {{ ''|default('d') }}| {{ ''|default('d', true) }} {{ none|d('x') }} {{ none|default('x', boolean=true) }} {{ undefined_thing|length }} {{ undefined_thing == other_thing }}
{{ none is none }} {{ 1 is number }} {{ true is number }} {{ true is integer }} {{ 1 is integer }} {{ 1.0 is float }} {{ true is boolean }} {{ 'a' is string }} {{ [] is iterable }} {{ 'a' is iterable }} {{ 1 is iterable }} {{ {} is mapping }} {{ [] is mapping }} {{ [] is sequence }} {{ {} is sequence }} {{ 1 is sequence }}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 1 is eq 1 }} {{ 1 is equalto(2) }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is ge 2 }} {{ 2 is in [1, 2] }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ none is sameas none }} {{ raise_exception is callable }} {{ 1 is not none }} {{ x is not defined }}
{{ '  a b '|trim }}| {{ 'xxaxx'|trim('x') }} {{ 'hello wORLD-foo (bar'|title }} {{ 'hELLO wORLD'|capitalize }} {{ 'aB'|upper }} {{ 'aB'|lower }} {{ 'abc'|length }} {{ 'h\\u00e9\\U0001f642'|length }} {{ [1, 2]|count }} {{ {}|length }}
{{ [1, 2, 3]|join }} {{ ['a', 'b']|join(', ') }} {{ messages|join('|', attribute='role') }} {{ 'abc'|join('.') }} {{ [1, none, true]|join(' ') }} {{ 'a-b-c'|replace('-', '+') }} {{ 'aaa'|replace('a', 'b', 2) }} {{ 'abc'|replace('', '.') }}
{{ 'a'|first }} {{ [3, 4]|last }} {{ []|first }}| {{ [1, 2, 3]|reverse|join }} {{ 'abc'|reverse }} {{ 'ab'|list|join('/') }} {{ -3|abs }} {{ '12'|int + 1 }} {{ 'x'|int }} {{ 'x'|int(5) }} {{ 3.9|int }} {{ '3.9'|int }} {{ '2.5'|float }} {{ 'q'|float }} {{ 5|string ~ 'x' }} {{ true|int }}
{{ messages|selectattr('role', 'equalto', 'user')|list|length }} {{ messages|rejectattr('role', 'eq', 'user')|map(attribute='content')|join(',') }} {{ messages|selectattr('tool_calls')|list|length }} {{ messages|selectattr('role', 'in', ['user', 'system'])|map(attribute='role')|list|join }} {{ [1, 2, 3]|select('odd')|join }} {{ [0, 1]|select|join }} {{ [1, 2]|reject('eq', 1)|join }} {{ ['a', 'b']|map('upper')|join }} {{ ['a ', ' b']|map('trim')|join('-') }} {{ messages|map(attribute='x', default='-')|join }} {{ messages|selectattr('role', 'defined')|list|length }}
{{ table|tojson }} {{ items|tojson }} {{ 'q"\\\\\\n\\t\\u00e9\\u0001\\x7f</'|tojson }} {{ {}|tojson }} {{ []|tojson }} {{ 1.0|tojson }} {{ {'b': 1, 'a': [true, none]}|tojson }}
{{ table|tojson(indent=2) }} {{ [[], {}, [1]]|tojson(indent=4) }}
{{ ' a '.strip() }}| {{ 'xax'.strip('x') }} {{ ' a'.lstrip() }} {{ 'a\\n'.rstrip('\\n') }}| {{ 'a,b,c'.split(',')|join(' ') }} {{ 'a b  c '.split()|join('|') }} {{ 'a,b,c'.split(',', 1)[1] }} {{ ' a b c'.split(none, 1)|last }}| {{ 'a,b,c'.rsplit(',', 1)|first }} {{ 'a,b'.rsplit(',')|length }} {{ ''.split(',')|length }} {{ ''.split()|length }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'bc')) }} {{ 'abc'.startswith('') }} {{ 'aXbX'.replace('X', '-') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'ab'.upper() }} {{ 'AB'.lower() }} {{ 'hello wORLD it\\'s 3d'.title() }} {{ 'hELLO'.capitalize() }} {{ 'abcb'.find('b') }} {{ 'a'.find('z') }} {{ 'abab'.count('ab') }} {{ '-'.join(['a', 'b']) }} {{ 'a\\nb\\r\\nc\\n'.splitlines()|join('|') }}
{{ '\\u00e9\\u00df\\u01c6'.upper() }} {{ '\\u0130\\u03a3\\u0391\\u03a3'.lower() }} {{ '\\u00dfa \\u01c6b'.title() }} {{ '\\u01c6A\\u03a3'.capitalize() }} {{ '\\u00dfA'|upper }} {{ '\\u3000 a\\u001c\\u00a0'|trim }}| {{ '\\u200b'|trim|length }}
{{ "a\\tb" }} {{ 'it\\'s' }} {{ "\\x41\\u0042\\U00000043" }} {{ '\\q\\/' }} {{ 'a' 'b' "c" }} {{ 'line\\
join' }} {{ 'two
lines' }}
{{ strftime_now('%d %B %Y, %A %a %b %m %y %H:%M:%S %I %p %%') }} {{ [1,2,3][1] }} {{ {'a': {'b': [10, 20]}}.a.b[1] }} {{ (1, 2)|length }} {{ ()|length }} {{ (5) }} {{ [1,]|length }} {{ ((1 + 2) * 3) }}
{{ not none is defined }} {{ 1 if none is none and not false else 2 }} {{ 'a' is string and 'b' is string }} {{ 'a' ~ 'b' is string }} {{ (2 - 1) ~ 'x' }} {{ 1 ~ (2 + 3) }} {{ 'a' + 1 ~ 2 }} {{ -1|abs }} {{ 'x'|upper ~ 'y' }} {{ '%' }} {{ 7 % 4 * 2 }} {{ 10 - 2 - 3 }} {{ 2 * 3 % 4 }}
a {%- if true %} b {%- endif %} c{{- ' d ' -}} e {#- gone -#} f {%+ if true %}g{% endif +%} h
  {% if true %}
    indented
  {% endif %}
after
x  {% if true %}  y
  {% endif %}  z
 {# comment #}
 {#- comment -#}   t
{{ 'v' }}
 {{- 'w' }}
{% raw %}{{ not }} {% if %}{% endraw %} {% raw -%}  kept  {%- endraw %}|
{% macro m(a, b='B', c=none) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 2, 3) }}{{ m(c=4, a=5) }}{{ m('x')|length }}{% set f = m(0) %}{{ f|upper }}{% macro n() %}{{ m(number) }}{% endmacro %}{{ n() }}
{%- set x = 5 -%}
   {%- for i in [1, 2] %}

 {{ i }}
 {%- endfor %}

 end
{{ messages[0].content.strip() }} {{ messages[-1]['content'] }} {{ messages[1:]|length }} {{ messages[::-1][0].role }} {{ (messages|first).role }} {{ messages|map(attribute='role')|join(',') }} {{ loop is defined }} {{ messages[7] is defined }}
{% if messages|length > 2 and messages[0].role == 'system' and messages[0].content is not none %}yes{% elif true %}maybe{% else %}no{% endif %}{% if undefined_thing %}x{% endif %}{% if not undefined_thing %}y{% endif %}
{% for m in messages %}{% set outer = loop %}{% for c in m.content.split(' ') %}{{ outer.index }}.{{ loop.index }}{{ c }};{% endfor %}{% endfor %}{%- for i in range(2) -%} {{ i }} {%- endfor -%}
{% set x = {'a': 1, 'b': {'c': 'd'}} %}{{ x.b.c }}{{ x['b']['c'] }}{% set y = ['p', ['q', 'r']] %}{{ y[1][0] }}{{ y|length }}{{ y|last|join }} {{ x|length }} {{ x.items()|list|length }}
"""

# They raise in transformers too.
FAILING = [
    "{{ undefined_thing.attribute }}", "{{ undefined_thing['x'] }}", "{{ 1 + 'a' }}", "{{ 'a' + 1 }}", "{{ undefined_thing + 'a' }}", "{{ 1 < 'a' }}",
    "{{ 1 / 0 }}", "{{ raise_exception('told so') }}", "{{ 5|length }}", "{{ 5|join }}", "{% for x in 5 %}{% endfor %}", "{{ none.strip() }}",
    "{{ 'a'.split('') }}", "{{ 1 in 'abc' }}", "{% set a, b = [1] %}", "{% for a, b in [[1]] %}{% endfor %}", "{{ range(0, 5, 0) }}",
    "{% set x = 1 %}{% set x.y = 2 %}", "{{ [1][1:2:0] }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(b=2) }}",
    "{{ 3|items|list }}", "{{ -'a' }}", "{{ none > 1 }}", "{{ [1]|map('trim')|join + 1 }}",
]


def tokenizer_of(name, extra):
    tok = Tokenizer.from_file(str(HERE / "tokenizers" / name / "tokenizer.json"))
    tok.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in extra])
    return tok


def main():
    families = []
    for name, (base, extra, config, end, template) in FAMILIES.items():
        tok = tokenizer_of(base, extra)
        fast = PreTrainedTokenizerFast(tokenizer_object=tok, **{key: value["content"] if isinstance(value, dict) else value
                                                                for key, value in config.items()})
        cases = []
        for messages in conversations():
            for generate in (False, True):
                case = {"messages": messages, "add_generation_prompt": generate}
                try:
                    case["text"] = fast.apply_chat_template(messages, chat_template=template, add_generation_prompt=generate, tokenize=False)
                    case["ids"] = tok.encode(case["text"], add_special_tokens=False).ids
                except jinja2.exceptions.TemplateError as error:
                    case["error"] = str(error)
                cases.append(case)
        families.append({"name": name, "tokenizer": base, "extra_tokens": extra, "config": config, "end": end, "template": template, "cases": cases})
        print(name, len(cases), sum("error" in case for case in cases), "raise")

    values = {"messages": SNIPPET_MESSAGES, "text": "A b_c, d", "number": 7, "items": [3, "x", None, True, 2.5],
              "table": {"k": "v", "n": [1, {"z": None}]}}
    lines = SNIPPETS.strip("\n").split("\n")
    snippets = []
    for source in [*merge(lines), "\n".join(lines)]:
        snippets.append({"template": source, "text": chat_template_utils._compile_jinja_template(source).render(**values)})
    for source in FAILING:
        try:
            chat_template_utils._compile_jinja_template(source).render(**values)
            raise AssertionError(source)
        except (jinja2.exceptions.TemplateError, TypeError, ValueError, ZeroDivisionError, AttributeError):
            pass
    (HERE / "chat" / "templates.json").write_text(json.dumps(
        {"versions": VERSIONS, "values": values, "families": families, "snippets": snippets, "failing": FAILING}, indent=1) + "\n")
    print(len(snippets), "snippets,", len(FAILING), "failing")


def merge(lines):
    """Lines up to one that closes what they opened."""
    out, now = [], ""
    for line in lines:
        now = now + "\n" + line if now else line
        try:
            chat_template_utils._compile_jinja_template(now)
        except jinja2.exceptions.TemplateSyntaxError:
            continue
        out.append(now)
        now = ""
    assert not now, now
    return out


if __name__ == "__main__":
    main()

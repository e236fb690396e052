package encoding

base64_out := base64.encode(input.text)

base64_in := base64.decode(input.base64)

base64_valid := base64.is_valid(input.base64)

base64url_out := base64url.encode(input.odd)

base64url_plain := base64url.encode_no_pad(input.odd)

base64url_in := base64url.decode(base64url.encode_no_pad(input.odd))

base64url_number := base64url.encode_no_pad(input.number)

hex_out := hex.encode(input.odd)

hex_in := hex.decode(input.hex)

hex_in_upper := hex.decode("4A4b")

hex_in_odd := hex.decode(concat("", [input.hex, "4"]))

hex_in_bad := hex.decode(input.text)

query_out := urlquery.encode(input.text)

query_out_odd := urlquery.encode(input.odd)

query_in := urlquery.decode(input.query)

query_in_bad := urlquery.decode(concat("", [input.text, "%4"]))

query_in_bad_digit := urlquery.decode("%zz")

query_object_out := urlquery.encode_object(input.fields)

query_object_out_set := urlquery.encode_object({"k": {"b", "a"}, "e": input.text})

query_object_out_bad := urlquery.encode_object({"k": input.number})

query_object_out_empty := urlquery.encode_object({})

query_object_in := urlquery.decode_object("a=1&b=x+y&a=%32&&c")

query_object_in_bad := urlquery.decode_object("a=%4")

query_object_in_semicolon := urlquery.decode_object("a=1;b=2")

json_in := json.unmarshal(input.json)

json_in_bad := json.unmarshal(input.text)

json_in_large := json.unmarshal("12345678901234567890")

json_valid := json.is_valid(input.json)

json_valid_not := json.is_valid(input.text)

json_lines := json.marshal_with_options(input.fields, {})

json_indented := json.marshal_with_options(input.fields, {"indent": "  "})

json_prefixed := json.marshal_with_options(input.fields, {"prefix": "> "})

json_pretty := json.marshal_with_options(input.json_like, {"pretty": true})

json_not_pretty := json.marshal_with_options(input.json_like, {"pretty": false, "indent": "    "})

json_options_bad := json.marshal_with_options(input.fields, {"indent": input.text, "pretty": input.pretty})

json_html := json.marshal_with_options(input.html, {})

json_control := json.marshal_with_options(input.control, {})

patch_add := json.patch(input.document, [{"op": "add", "path": "/a/x", "value": 1}])

patch_add_front := json.patch(input.document, [{"op": "add", "path": "/list/0", "value": 0}])

patch_add_end := json.patch(input.document, [{"op": "add", "path": "/list/-", "value": 9}])

patch_add_beyond := json.patch(input.document, [{"op": "add", "path": "/list/7", "value": 9}])

patch_add_missing := json.patch(input.document, [{"op": "add", "path": "/no/where", "value": 9}])

patch_add_root := json.patch(input.document, [{"op": "add", "path": "", "value": {"new": input.number}}])

patch_add_over := json.patch(input.document, [{"op": "add", "path": "/a", "value": null}])

patch_remove := json.patch(input.document, [{"op": "remove", "path": "/a"}])

patch_remove_element := json.patch(input.document, [{"op": "remove", "path": "/list/1"}])

patch_remove_missing := json.patch(input.document, [{"op": "remove", "path": "/zzz"}])

patch_replace := json.patch(input.document, [{"op": "replace", "path": "/list/0", "value": "first"}])

patch_replace_missing := json.patch(input.document, [{"op": "replace", "path": "/zzz", "value": 1}])

patch_move := json.patch(input.document, [{"op": "move", "from": "/a/b", "path": "/moved"}])

patch_move_missing := json.patch(input.document, [{"op": "move", "from": "/q", "path": "/moved"}])

patch_copy := json.patch(input.document, [{"op": "copy", "from": "/list", "path": "/a/list"}])

patch_test := json.patch(input.document, [{"op": "test", "path": "/list/1", "value": 2}, {"op": "remove", "path": "/list"}])

patch_test_fails := json.patch(input.document, [{"op": "test", "path": "/list/1", "value": 3}])

patch_escapes := json.patch({"a/b": 1, "c~d": input.number}, [{"op": "remove", "path": "/a~1b"}, {"op": "replace", "path": "/c~0d", "value": 2}])

patch_array_path := json.patch(input.document, [{"op": "add", "path": ["a", "y"], "value": 3}])

patch_set := json.patch({"s": {1, 2}}, [{"op": "remove", "path": ["s", input.one]}])

patch_set_add := json.patch({"s": {1, 2}}, [{"op": "add", "path": ["s", input.number], "value": input.number}])

patch_none := json.patch(input.document, [])

patch_no_op := json.patch(input.document, [{"path": "/a"}])

patch_other_op := json.patch(input.document, [{"op": input.text, "path": "/a"}])

patch_leading_zero := json.patch(input.document, [{"op": "remove", "path": "/list/01"}])

digest_md5 := crypto.md5(input.text)

digest_sha1 := crypto.sha1(input.text)

digest_sha256 := crypto.sha256(input.text)

digest_of_nothing := crypto.sha256("")

digest_of_number := crypto.sha256(input.number)

code_md5 := crypto.hmac.md5(input.text, "key")

code_sha1 := crypto.hmac.sha1(input.text, "key")

code_sha256 := crypto.hmac.sha256(input.text, "key")

code_sha512 := crypto.hmac.sha512(input.text, input.long_key)

code_bad := crypto.hmac.sha256(input.text, input.number)

code_equal := crypto.hmac.equal(crypto.sha1("a"), crypto.sha1(input.letter))

code_equal_not := crypto.hmac.equal("a", input.text)

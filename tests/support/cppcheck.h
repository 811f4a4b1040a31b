/* What cppcheck must know of jansson's iteration macros, as it does not read system headers. */
/* clang-format off */
#define json_array_foreach(array, i, value)                                                        \
    for (i = 0; i < json_array_size(array) && (value = json_array_get(array, i)); i++)
#define json_object_foreach(object, key, value)                                                    \
    for (key = first_key(object); key && (value = json_object_get(object, key)); key = next_key(key))

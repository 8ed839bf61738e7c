// Prints what a C++ compiler knows about libobs' headers, one fact a line, for test_libobs_abi.py to compare with
// the ctypes declarations. The test writes the main() that says which facts.
//
// Kinds of types: v nothing, p data pointer, i/u signed/unsigned integer (enums and bool included) and f floating
// point with their size in bytes, s structure; a pointer to a function is p:RESULT(ARGUMENTS).

#include <cstddef>
#include <iostream>
#include <string>
#include <type_traits>

#include <obs-module.h> // and with it nearly all of libobs
#include <graphics/vec2.h>
#include <graphics/vec4.h>
#include <util/base.h>
#include <util/bmem.h>
#include <util/platform.h>

template <class T> struct Kind {
	static std::string text()
	{
		const std::string bytes = std::to_string(sizeof(T));
		if constexpr (std::is_pointer_v<T>)
			return "p";
		else if constexpr (std::is_floating_point_v<T>)
			return "f" + bytes;
		else if constexpr (std::is_enum_v<T>)
			return Kind<std::underlying_type_t<T>>::text();
		else if constexpr (std::is_integral_v<T>)
			return (std::is_signed_v<T> ? "i" : "u") + bytes;
		else
			return "s" + bytes;
	}
};

template <> struct Kind<void> {
	static std::string text() { return "v"; }
};

template <class Result, class... Arguments> std::string signature()
{
	std::string list;
	((list += (list.empty() ? "" : ",") + Kind<Arguments>::text()), ...);
	return "p:" + Kind<Result>::text() + "(" + list + ")";
}

template <class Result, class... Arguments> struct Kind<Result (*)(Arguments...)> {
	static std::string text() { return signature<Result, Arguments...>(); }
};

// A variadic function takes what is named in front of the dots; the caller knows the rest.
template <class Result, class... Arguments> struct Kind<Result (*)(Arguments..., ...)> {
	static std::string text() { return signature<Result, Arguments...>(); }
};

#define STRUCTURE(type) \
	std::cout << "structure " #type " " << sizeof(type) << " " << alignof(type) << "\n"
#define FIELD(type, name)                                                                   \
	std::cout << "field " #type "." #name " " << offsetof(type, name) << " "            \
		  << sizeof(type::name) << " " << Kind<decltype(type::name)>::text() << "\n"
#define FUNCTION(name) std::cout << "function " #name " " << Kind<decltype(&name)>::text() << "\n"
#define CONSTANT(name) std::cout << "constant " #name " " << static_cast<long long>(name) << "\n"

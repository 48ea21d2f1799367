<?php
/**
 * What happened in this request: hooks note it here, and it is written at the end.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

/**
 * What happened in this request.
 */
final class Seen {
	/**
	 * What the shopper typed, if anything: email, first_name, last_name, phone, country.
	 *
	 * @var array|null
	 */
	public static $typed = null;

	/**
	 * Whether the cart or the checkout was touched, so that a stored checkout has to be compared.
	 *
	 * @var bool
	 */
	public static $touched = false;

	/**
	 * Whether a recovery link is filling the cart: that is not the shopper's doing.
	 *
	 * @var bool
	 */
	public static $filling = false;
}

<?php
/**
 * Plugin Name:          Winback for WooCommerce
 * Description:          Remembers checkouts that shoppers began and did not finish, so that your own Winback can win them back. Sends nothing anywhere: Winback asks.
 * Version:              1.0.0
 * Requires at least:    6.5
 * Requires PHP:         7.4
 * Requires Plugins:     woocommerce
 * WC requires at least: 8.9
 * WC tested up to:      11.0
 * Author:               Winback
 * License:              Apache-2.0
 * License URI:          https://www.apache.org/licenses/LICENSE-2.0
 * Text Domain:          winback-for-woocommerce
 * Domain Path:          /languages
 *
 * One idea per file: table.php what is stored, cart.php what a cart holds, capture.php when it is stored, consent.php
 * which boxes were ticked, orders.php how a checkout ends, recovery.php the link in the e-mail, endpoint.php what Winback
 * may read, privacy.php export, erasure and forgetting, session.php what is kept in the shopper's session.
 *
 * @package Winback_For_WooCommerce
 */

namespace Winback_For_WooCommerce;

defined( 'ABSPATH' ) || exit;

const VERSION = '1.0.0';

/**
 * Does $work when $hook fires. A fault of ours must never stop a shopper from paying, so it is only logged.
 *
 * @param string   $hook     The action.
 * @param callable $work     What to do.
 * @param int      $priority WordPress's priority.
 */
function on( string $hook, callable $work, int $priority = 10 ): void {
	add_action(
		$hook,
		static function ( ...$given ) use ( $hook, $work ) {
			try {
				$work( ...$given );
			} catch ( \Throwable $fault ) {
				wc_get_logger()->error(
					sprintf( '%s in %s at %s:%d', get_class( $fault ), $hook, basename( $fault->getFile() ), $fault->getLine() ),
					array( 'source' => 'winback-for-woocommerce' )
				);
			}
		},
		$priority,
		4
	);
}

require __DIR__ . '/includes/table.php';
require __DIR__ . '/includes/privacy.php';

register_activation_hook( __FILE__, __NAMESPACE__ . '\install' );
register_deactivation_hook( __FILE__, __NAMESPACE__ . '\stop_forgetting' );

add_action(
	'before_woocommerce_init',
	static function () {
		if ( class_exists( \Automattic\WooCommerce\Utilities\FeaturesUtil::class ) ) {
			\Automattic\WooCommerce\Utilities\FeaturesUtil::declare_compatibility( 'custom_order_tables', __FILE__, true );
			\Automattic\WooCommerce\Utilities\FeaturesUtil::declare_compatibility( 'cart_checkout_blocks', __FILE__, true );
		}
	}
);

add_action(
	'init',
	static function () {
		load_plugin_textdomain( 'winback-for-woocommerce', false, dirname( plugin_basename( __FILE__ ) ) . '/languages' );
	}
);

add_action(
	'plugins_loaded',
	static function () {
		// An update through WordPress runs no activation hook, nor does a new site of a network.
		if ( get_option( VERSION_OPTION ) !== TABLE_VERSION ) {
			install();
		}
		if ( ! class_exists( 'WooCommerce' ) ) {
			return;
		}
		require __DIR__ . '/includes/class-seen.php';
		require __DIR__ . '/includes/session.php';
		require __DIR__ . '/includes/cart.php';
		require __DIR__ . '/includes/capture.php';
		require __DIR__ . '/includes/consent.php';
		require __DIR__ . '/includes/orders.php';
		require __DIR__ . '/includes/recovery.php';
		require __DIR__ . '/includes/endpoint.php';
	}
);
